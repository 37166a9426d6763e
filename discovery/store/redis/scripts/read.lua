-- What a cluster holds, or what has changed since an entry of its stream that is still there.
--
-- KEYS  1 hash of the cluster's affiliates  2 stream of its changes
-- ARGV  1 id of the last entry that was seen; '' for none  2 most entries of the answer
-- Answer  1 Unix milliseconds
--         2 'since'  3 entries, the first of which is the one that was seen: id, {field, value, ...}
--         2 'anew'   3 fields and values of the hash in turn  4 id of the oldest entry of the stream, or ''
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[1] ~= '' then
  local entries = redis.call('XRANGE', KEYS[2], ARGV[1], '+', 'COUNT', ARGV[2])
  if entries[1] and entries[1][1] == ARGV[1] then return {now, 'since', entries} end
end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
return {now, 'anew', redis.call('HGETALL', KEYS[1]), oldest[1] and oldest[1][1] or ''}
