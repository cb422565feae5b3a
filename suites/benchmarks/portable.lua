-- Weights and data that are the same in every language, as portable.py says; here for Torch 7.

local bit = require 'bit'
local portable = {}

local MODULUS, MULTIPLIER, BLOCK = 2 ^ 31 - 1, 48271, 65521

local function crc32(text)
   local crc = bit.bnot(0)
   for place = 1, #text do
      crc = bit.bxor(crc, text:byte(place))
      for _ = 1, 8 do
         crc = bit.bxor(bit.rshift(crc, 1), bit.band(bit.tobit(0xEDB88320), -bit.band(crc, 1)))
      end
   end
   return bit.bnot(crc) % 2 ^ 32 -- bit operations give signed numbers
end

-- Return x(1) ... of the block that follows a tensor's name, at most all of it.
local function lehmer(name, count)
   local x, block = crc32(name) % (MODULUS - 1) + 1, {}
   for place = 1, math.min(count, BLOCK) do
      x = MULTIPLIER * x % MODULUS
      block[place] = x
   end
   return block
end

-- Return a FloatTensor of the given extents, uniform in [low, high].
function portable.tensor(name, shape, low, high)
   local tensor = torch.FloatTensor(torch.LongStorage(shape))
   local block, place = lehmer(name, tensor:nElement()), 0
   return tensor:apply(function()
      place = place % #block + 1
      return low + (high - low) * (block[place] / MODULUS)
   end)
end

return portable
