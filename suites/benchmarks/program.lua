-- Run one benchmark script of Torch 7 as harness.py runs one in Python; programs.py says what is written and judges it.
-- luajit in/program.lua run_torch7.lua
--
-- script     returns {version = text, setup = function(job)}. job.parameters, .implementation, .traits, .device,
--            .precision, .threads; job.tensor makes weights and data (portable.lua). A workload comes back:
--            steps {phase = function}, fetch (the last loss), gradients {name = flat tensor}, parameters, facts,
--            sync, sync_name. error{unsupported = reason} where the work cannot be done.

package.path = 'in/?.lua;' .. package.path
local ffi = require 'ffi'

ffi.cdef [[
typedef struct { long s, ns; } orch_time;
int clock_gettime(int number, orch_time *time);
]]
local time = ffi.new 'orch_time'

local function reader(number)
   return function()
      ffi.C.clock_gettime(number, time)
      return tonumber(time.s) + tonumber(time.ns) * 1e-9
   end
end

local wall_clock, cpu_clock, raw_clock = reader(1), reader(2), reader(4) -- CLOCK_MONOTONIC, process CPU, MONOTONIC_RAW
local WALL, LOSS = 2, 7 -- where they stand in a sample
local SHORTEST_S, LEAST_SAMPLES = {cpu = 0.001, cuda = 0.010}, 5

local json = require 'cjson'
json.encode_invalid_numbers('null')
json.encode_number_precision(14)

local raw = {timer = 'clock_gettime(CLOCK_MONOTONIC)', sync = '', version = '', facts = {}, phases = {},
   gate = json.null, failure = json.null}
local phase_now = 'import'

-- Read the wall clock and the one that nobody sets, as close together as can be.
local function read_clocks()
   local best
   for _ = 1, 5 do
      local before, wall = raw_clock(), wall_clock()
      local apart = raw_clock() - before
      if not best or apart < best[3] then best = {wall, before + apart / 2, apart} end
   end
   return {best[1], best[2]}
end

-- Take one sample: {start, wall, fetch, again, end, cpu, loss}, as clocks.Sample does.
local function sample(work, step, group)
   work.sync()
   local cpu_start, start = cpu_clock(), wall_clock()
   for _ = 1, group do step() end
   work.sync()
   local stop, cpu_stop = wall_clock(), cpu_clock()
   local asked = wall_clock()
   local loss = work.fetch()
   local fetched = wall_clock()
   work.fetch()
   local ends = wall_clock()
   return {start, stop - start, fetched - asked, ends - fetched, ends, cpu_stop - cpu_start, loss}
end

local function setup(script, job, parameters)
   phase_now = 'setup'
   local start = wall_clock()
   local work = script.setup(setmetatable({parameters = parameters}, {__index = job}))
   work.sync = work.sync or function() end
   work.sync()
   raw.setup_s = math.max(wall_clock() - start, raw.setup_s or 0) -- of a gate launch the cold one
   raw.facts, raw.sync, raw.parameters = work.facts, work.sync_name, work.parameters
   for _, phase in ipairs(job.protocol.phases) do
      assert(work.steps[phase], 'no phase ' .. phase .. ' here')
   end
   return work
end

local function first_step(script, job, parameters)
   local work = setup(script, job, parameters)
   phase_now = 'warmup'
   local taken = sample(work, work.steps[job.protocol.phases[#job.protocol.phases]], 1)
   raw.first_step_s = taken[WALL]
   return work, taken[LOSS]
end

local function run_gate(script, job)
   local probe = setmetatable(job.probe, {__index = job.parameters})
   local work, loss = first_step(script, job, probe)
   local gradients = {}
   for name, tensor in pairs(work.gradients()) do gradients[name] = tensor:double():view(-1):totable() end
   local measured, first_loss = first_step(script, job, job.parameters)
   raw.gate = {probe = {loss = loss, parameters = work.parameters, gradients = gradients},
      measured = {first_loss = first_loss, parameters = measured.parameters}}
end

-- Warm up and return how many iterations make a sample long enough for the clock.
local function warm_up(work, step, job, kept, ends)
   phase_now = 'warmup'
   local group, wall, shortest_s = 1, 0, SHORTEST_S[job.device]
   while #kept < 2 or wall < shortest_s or (#kept < job.protocol.warmup and wall_clock() < ends) do
      local taken = sample(work, step, group)
      wall = taken[WALL]
      table.insert(kept, {wall / group, taken[LOSS]})
      raw.first_step_s = raw.first_step_s or wall
      if wall < shortest_s then
         group = math.floor(group * math.min(100, 1.2 * shortest_s / math.max(wall, 1e-9))) + 1
      end
   end
   return group
end

local function measure_phase(work, name, job)
   local before, most_s = read_clocks(), job.protocol.at_most_s
   local phase = {warmup = {}, samples = {}}
   raw.phases[name] = phase
   phase.group = warm_up(work, work.steps[name], job, phase.warmup, before[1] + most_s / 2)
   phase_now = 'samples'
   collectgarbage()
   collectgarbage('stop')
   local taken = phase.samples
   while #taken < job.protocol.samples and (#taken < LEAST_SAMPLES or wall_clock() < before[1] + most_s) do
      table.insert(taken, sample(work, work.steps[name], phase.group))
   end
   collectgarbage('restart')
   phase.clocks = {before, read_clocks()}
end

local function run(name, job)
   local start = wall_clock()
   local script = require((name:gsub('%.lua$', '')))
   job.tensor = require('portable').tensor
   raw.import_s, raw.version = wall_clock() - start, script.version
   job.threads, job.precision = job.protocol.threads, job.protocol.precision
   if job.mode == 'gate' then return run_gate(script, job) end
   local work = setup(script, job, job.parameters)
   for _, phase in ipairs(job.protocol.phases) do measure_phase(work, phase, job) end
end

local function failure(problem)
   local reason = type(problem) == 'table' and problem.unsupported
   return {phase = phase_now, kind = reason and 'Unsupported' or 'LuaError', log_tail = reason and '' or debug.traceback(),
      message = tostring(reason or problem):sub(1, 1000)}
end

local function read_all(path)
   local file = assert(io.open(path))
   local text = file:read('*a')
   file:close()
   return text
end

local good, problem = xpcall(function() run(arg[1], json.decode(read_all('in/job.json'))) end, failure)
if not good then raw.failure = problem end
local held = (read_all('/proc/self/status') or ''):match('VmHWM:%s*(%d+) kB')
raw.peak_memory_bytes = tonumber(held) * 1024
if not next(raw.phases) then raw.phases = nil end -- an empty table would be a list
if not next(raw.facts) then raw.facts = {threads = json.null} end
local file = assert(io.open('out/raw.json', 'w'))
file:write(json.encode(raw))
file:close()
