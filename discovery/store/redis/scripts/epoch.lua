-- Notes which run of which server answers. Another one than before may know less: those who hold clusters put back what
-- is missing, and until then nobody reads a cluster that they do not hold.
--
-- KEYS  1 hash of the epoch
-- ARGV  1 name of the run
-- Answer  1 Unix milliseconds  2 number of the epoch  3 Unix milliseconds of its beginning
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'since', string.format('%.0f', now))
  redis.call('HINCRBY', KEYS[1], 'number', 1)
end
return {now, tonumber(redis.call('HGET', KEYS[1], 'number')), tonumber(redis.call('HGET', KEYS[1], 'since'))}
