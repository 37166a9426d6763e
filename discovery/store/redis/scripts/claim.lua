-- Counts a cluster against the address that brings it to life.
--
-- KEYS  1 set of the clusters that the address brought to life
-- ARGV  1 name of the cluster  2 most clusters  3 milliseconds after which an address that makes none is forgotten
-- Answer  1 Unix milliseconds  2 the clusters counted when there are too many; empty when this one is counted
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return {now, redis.call('SMEMBERS', KEYS[1])}
end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {now, {}}
