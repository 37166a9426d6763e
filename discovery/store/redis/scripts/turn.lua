-- Whether what is due may be swept now. When nobody has swept for a while, nobody could refresh either: then as much
-- time passes again before anything expires.
--
-- KEYS  1 hash of the epoch
-- ARGV  1 milliseconds between sweeps that are no gap  2 most milliseconds that sweeping is put off by
-- Answer  1 Unix milliseconds  2 '1' when it may
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or now)
local hold = tonumber(redis.call('HGET', KEYS[1], 'hold') or 0)
if now - last > tonumber(ARGV[1]) then hold = math.max(hold, now + math.min(now - last, tonumber(ARGV[2]))) end
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', now), 'hold', string.format('%.0f', hold))
return {now, now < hold and '0' or '1'}
