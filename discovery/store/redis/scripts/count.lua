-- How much a cluster holds.
--
-- KEYS  1 hash of the cluster's affiliates
-- Answer  1 Unix milliseconds  2 affiliates  3 endpoints
local clock = redis.call('TIME')
local affiliates, endpoints = 0, 0
for index, value in ipairs(redis.call('HVALS', KEYS[1])) do
  -- Byte 15 of a value is how many endpoints it has; the id of the last entry is shorter than a value.
  if string.find(value, '^%d+%-%d+$') == nil then
    affiliates = affiliates + 1
    endpoints = endpoints + string.byte(value, 15)
  end
end
return {clock[1] * 1000 + math.floor(clock[2] / 1000), affiliates, endpoints}
