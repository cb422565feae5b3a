"""One training step of an LSTM (Element-Research's FastLSTM) and one of a convolution in Torch 7. Python 3 runs luajit."""

import subprocess

PROGRAM = """
local json, sys = require 'cjson', require 'sys'
sys.tic()
require 'nn'; require 'rnn'; require 'optim'
local found = {version = 'torch7', import_s = sys.toc()}
torch.setnumthreads(1)
torch.manualSeed(1)
torch.setdefaulttensortype('torch.FloatTensor')

local function train(name, make)
   sys.tic()
   local net, batch, count = make()
   local criterion = nn.CrossEntropyCriterion()
   local right = torch.range(0, count - 1):apply(function(number) return number % 10 + 1 end)
   local weights, slopes = net:getParameters()
   local state, losses = {learningRate = 1e-3}, {}
   local function step()
      net:zeroGradParameters()
      local output = net:forward(batch)
      local loss = criterion:forward(output, right)
      net:backward(batch, criterion:backward(output, right))
      optim.adam(function() return loss, slopes end, weights, state)
      table.insert(losses, loss)
   end
   step()
   local first_s = sys.toc()
   step()
   sys.tic()
   step()
   local step_s = sys.toc()
   step()
   found[name] = {first_s = first_s, step_s = step_s, losses = losses}
end

train('lstm', function()
   local net = nn.Sequential():add(nn.SplitTable(1)):add(nn.Sequencer(nn.FastLSTM(123, 320)))
   return net:add(nn.SelectTable(-1)):add(nn.Linear(320, 10)), torch.randn(100, 64, 123), 64
end)
train('convolution', function()
   local net = nn.Sequential():add(nn.SpatialConvolutionMM(3, 32, 5, 5)):add(nn.ReLU())
   net:add(nn.SpatialAveragePooling(60, 60)):add(nn.View(32)):add(nn.Linear(32, 10))
   return net, torch.randn(16, 3, 64, 64), 16
end)
local file = io.open('out/step.json', 'w')
file:write(json.encode(found))
file:close()
"""
subprocess.check_call(["luajit", "-e", PROGRAM])
