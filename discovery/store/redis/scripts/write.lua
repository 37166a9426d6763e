-- Puts an affiliate in the place of the one that is expected there, or takes one away, and tells of it.
--
-- KEYS  1 hash of the cluster's affiliates; its field '' holds the id of the last entry of the stream
--       2 stream of the cluster's changes; channel of the same name
--       3 sorted set: when which affiliate of the bucket is due
--       4 set of the bucket's clusters
--       5 the cluster's write key
-- ARGV  1 affiliate id
--       2 version that is expected there; '' for none; '*' for whatever is there, which only a deletion may say
--       3 value; '' deletes
--       4 instant, in Unix milliseconds, when the affiliate is due
--       5 member of the sorted set
--       6 name of the cluster in the set
--       7 '1' for a change that is told; '0' for a refresh, which is not
--       8 salt of the stream's entry
--       9 most affiliates of a cluster
--      10 '1' when this may bring the cluster to life
--      11 instant before which this must not be done; 0 for none
--      12 milliseconds after which what nobody writes to any more is gone
--      13 entries that the stream keeps, about
--      14 end of the values that are counted, which come from the same client address; '' where it is not known
--      15 most affiliates of a cluster that end so; 0 for any number
--      16 write key that is expected there; '' for none; '*' for whatever is there
--      17 write key that is left there when this brings the cluster to life; '' for none
--      18 milliseconds after which a write key that nobody uses is gone
-- Answer  1 Unix milliseconds  2 what came of it  3 the value that is there, after a conflict; or the write key
--       'key' (another than was expected)  'done'  'conflict'  'full'  'crowded' (too many from one address)  'absent' (there is no such cluster)  'none' (nothing to delete)  'early'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if now < tonumber(ARGV[11]) then return {now, 'early'} end

local key = redis.call('GET', KEYS[5]) or ''
if ARGV[16] ~= '*' and ARGV[16] ~= key then return {now, 'key', key} end
local old = redis.call('HGET', KEYS[1], ARGV[1]) or ''
local is_deletion = ARGV[3] == ''
if ARGV[2] == '*' then
  if old == '' then return {now, 'none'} end
elseif string.sub(old, 2, 14) ~= ARGV[2] then
  return {now, 'conflict', old}
end
if is_deletion and old == '' then
  redis.call('ZREM', KEYS[3], ARGV[5])
  return {now, 'none'}
end
local count = redis.call('HLEN', KEYS[1])
if old == '' then
  if count <= 1 and ARGV[10] == '0' then return {now, 'absent'} end
  if count - 1 >= tonumber(ARGV[9]) then return {now, 'full'} end
  local most = tonumber(ARGV[15])
  if most > 0 and ARGV[14] ~= '' and count - 1 >= most then
    -- Counted only in clusters where that can be.
    local found = 0
    for _, value in ipairs(redis.call('HVALS', KEYS[1])) do
      if string.sub(value, -#ARGV[14]) == ARGV[14] then found = found + 1 end
    end
    if found >= most then return {now, 'crowded'} end
  end
end

-- The first write is one that a Redis without memory refuses only where something new is to be stored: what lives can
-- be refreshed, and what is over can go.
if ARGV[7] == '0' then
  redis.call('ZREM', KEYS[3], ARGV[5])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
else
  local last = redis.call('HGET', KEYS[1], '') or ''
  local entry = string.format('%.0f-%s', (tonumber(string.match(last, '^%d+')) or 0) + 1, ARGV[8])
  if is_deletion then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('HSET', KEYS[1], '', entry)
  else
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3], '', entry)
  end
  local added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[13], entry, 'i', ARGV[1], 'v', ARGV[3])
  if type(added) == 'table' and added.err then
    -- The stream outlived its hash: what it tells of is not there any more.
    redis.call('DEL', KEYS[2])
    redis.call('XADD', KEYS[2], entry, 'i', ARGV[1], 'v', ARGV[3])
  end
  redis.call('PUBLISH', KEYS[2], table.concat({entry, last, #ARGV[1], ARGV[1] .. ARGV[3]}, ' '))
end
if is_deletion then
  redis.call('ZREM', KEYS[3], ARGV[5])
  if redis.call('HLEN', KEYS[1]) == 1 then redis.call('SREM', KEYS[4], ARGV[6]) end
else
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[5])
  if count <= 1 then
    redis.call('SADD', KEYS[4], ARGV[6])
    if key == '' and ARGV[17] ~= '' then redis.call('SET', KEYS[5], ARGV[17]) end
  end
  redis.call('PEXPIRE', KEYS[5], ARGV[18])
end
redis.call('PEXPIRE', KEYS[1], ARGV[12])
redis.call('PEXPIRE', KEYS[2], ARGV[12])
return {now, 'done'}
