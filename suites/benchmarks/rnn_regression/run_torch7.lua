-- Recurrent layers that regress random numbers, in Torch 7 with Element-Research's rnn: forward, and one training step.

require 'torch'
require 'nn'
require 'rnn'
local nets = require 'nets_torch7'

-- Return the net, time-major, cut into a table of steps where the layers want one, its weights by canonical name, and
-- the criterion with its target: one for each step, since it adds up in float32, too far off over millions of values.
local function make_net(job)
   local sizes, net, weights = job.parameters, nn.Sequential(), {}
   local is_table = job.implementation ~= 'torch7_seqlstm'
   if is_table then net:add(nn.SplitTable(1)) end
   for layer = 0, sizes.layers - 1 do
      local features = layer > 0 and sizes.units or sizes.features or sizes.units
      local module, own = nets[job.implementation](features, sizes.units, job.traits.gates)
      net:add(module)
      for name, views in pairs(own) do weights['layer.' .. layer .. '.' .. name] = views end
   end
   if sizes.outputs == 'last' then
      net:add(is_table and nn.SelectTable(-1) or nn.Select(1, -1))
      return net, weights, nn.MSECriterion(), job.tensor('y', {sizes.batch, sizes.units}, 0, 1)
   end
   local y = job.tensor('y', {sizes.steps, sizes.batch, sizes.units}, 0, 1)
   return net, weights, nn.SequencerCriterion(nn.MSECriterion(), true), is_table and nn.SplitTable(1):forward(y) or y
end

-- Fill the views of each weight with its canonical value, gate by gate, and count the values.
local function fill(job, weights)
   local bound, count = 1 / math.sqrt(job.parameters.units), 0
   for name, views in pairs(weights) do
      local shape = views[1][1]:size():totable()
      local rows = shape[1]
      shape[1] = rows * #views
      local value = job.tensor(name, shape, -bound, bound)
      for number, view in ipairs(views) do view[1]:copy(value:narrow(1, (number - 1) * rows + 1, rows)) end
      count = count + value:nElement()
   end
   return count
end

local function setup(job)
   local sizes = job.parameters
   if job.precision ~= 'ieee' then error {unsupported = 'Torch 7 has no ' .. job.precision .. '. Take ieee.'} end
   if job.device ~= 'cpu' then error {unsupported = 'no CUDA packages are in this image'} end
   torch.setdefaulttensortype('torch.FloatTensor')
   torch.setnumthreads(job.threads)
   local net, weights, criterion, y = make_net(job)
   local count = fill(job, weights)
   local x, last = job.tensor('x', {sizes.steps, sizes.batch, sizes.features or sizes.units}, 0, 1), nil

   local function forward() last = criterion:forward(net:forward(x), y) end

   local function train_step()
      net:zeroGradParameters()
      forward()
      net:backward(x, criterion:backward(net.output, y))
      if sizes.rate > 0 then net:updateParameters(sizes.rate) end
   end

   local function gradients()
      local found = {}
      for name, views in pairs(weights) do
         local slopes = {}
         for number, view in ipairs(views) do slopes[number] = view[2]:contiguous() end
         found[name] = torch.cat(slopes, 1)
      end
      return found
   end

   return {
      steps = {forward = forward, train_step = train_step}, fetch = function() return last end, gradients = gradients,
      parameters = count, facts = {threads = torch.getnumthreads(), precision = job.precision, nngraph = false},
      sync_name = 'none (cpu)'}
end

return {version = '7.0', setup = setup}
