-- Notes which run of which server answers. Another one than before may know less: those who hold clusters put back what
-- is missing, and until then nobody reads a cluster that they do not hold. It may not know the last refreshes either,
-- which nobody holds: for as long as nodes may ask for, nothing is swept.
--
-- KEYS  1 hash of the epoch
-- ARGV  1 name of the run  2 milliseconds that sweeping is put off by after another run
-- Answer  1 Unix milliseconds  2 Unix milliseconds of the beginning of this run, as far as is known here
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HGET', KEYS[1], 'run')
if known ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'since', string.format('%.0f', now))
  if known then redis.call('HSET', KEYS[1], 'hold', string.format('%.0f', now + tonumber(ARGV[2]))) end
end
return {now, tonumber(redis.call('HGET', KEYS[1], 'since'))}
