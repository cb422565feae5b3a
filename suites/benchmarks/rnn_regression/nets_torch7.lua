-- The nets of run_torch7.lua: one way to write a recurrent layer in Element-Research's rnn each.
-- A layer is a module and its weights: {canonical name = {{weight, slope} of each gate}}, views in the order i, f, g, o.

local nets = {}
local CANONICAL = {'i', 'f', 'g', 'o'}

-- Return the views of a fused matrix or bias that has the gates in one order along a dimension.
local function of_gates(weight, slope, dimension, units, order)
   local views = {}
   for number, gate in ipairs(CANONICAL) do
      local first = (order:find(gate) - 1) * units + 1
      views[number] = {weight:narrow(dimension, first, units), slope:narrow(dimension, first, units)}
   end
   return views
end

local function whole(module, name)
   return {{module[name or 'weight'], module[name and 'gradBias' or 'gradWeight']}}
end

function nets.torch7_rnn(features, units)
   local input, hidden = nn.Linear(features, units), nn.Linear(units, units)
   local step = nn.Sequential():add(nn.ParallelTable():add(input):add(hidden)):add(nn.CAddTable()):add(nn.Sigmoid())
   return nn.Sequencer(nn.Recurrence(step, units, 1)), {
      input = whole(input), recurrent = whole(hidden), bias_input = whole(input, 'bias'),
      bias_recurrent = whole(hidden, 'bias')}
end

function nets.torch7_lstm(features, units)
   local lstm = nn.LSTM(features, units)
   local weights = {input = {}, recurrent = {}, bias_input = {}, peephole = {}}
   for number, gate in ipairs {lstm.inputGate, lstm.forgetGate, lstm.hiddenLayer, lstm.outputGate} do
      local parts = gate:findModules('nn.ParallelTable')[1]
      local input, recurrent = parts:findModules('nn.Linear')[1], parts:findModules('nn.LinearNoBias')[1]
      weights.input[number] = whole(input)[1]
      weights.bias_input[number] = whole(input, 'bias')[1]
      weights.recurrent[number] = whole(recurrent)[1]
      local peephole = parts:findModules('nn.CMul')[1] -- none in hiddenLayer
      if peephole then
         table.insert(weights.peephole, {peephole.weight:view(units), peephole.gradWeight:view(units)})
      end
   end
   return nn.Sequencer(lstm), weights
end

function nets.torch7_fastlstm(features, units, order)
   local lstm = nn.FastLSTM(features, units)
   local input, recurrent = lstm.i2g, lstm.o2g
   return nn.Sequencer(lstm), {
      input = of_gates(input.weight, input.gradWeight, 1, units, order),
      recurrent = of_gates(recurrent.weight, recurrent.gradWeight, 1, units, order),
      bias_input = of_gates(input.bias, input.gradBias, 1, units, order)}
end

-- Takes and gives one tensor of all steps. Its matrix has the input above the recurrent part, for x W.
function nets.torch7_seqlstm(features, units, order)
   local lstm = nn.SeqLSTM(features, units)
   local function part(first, count)
      local weight, slope = lstm.weight:narrow(1, first, count), lstm.gradWeight:narrow(1, first, count)
      return of_gates(weight:t(), slope:t(), 1, units, order)
   end
   return lstm, {
      input = part(1, features), recurrent = part(features + 1, units),
      bias_input = of_gates(lstm.bias, lstm.gradBias, 1, units, order)}
end

return nets
