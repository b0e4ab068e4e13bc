-- The only writer of minutes.
-- KEYS[1]  the minute's hash
-- KEYS[2]  the last refresh
-- ARGV[1]  when the whole minute was read, in Unix milliseconds; 0 when this
--          is only what a load changed
-- ARGV[2]  when the hash expires, in Unix seconds
-- then     field and value in turn; a value begins with its revision
--
-- A field gives way to a larger revision only, so that writers may come in any
-- order. A hash is begun by a whole minute only, and by none that was read before
-- the last refresh: what changed since would be missing from then on. 0 is
-- returned when it isn't there and can't be begun.
local whole = tonumber(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then
    local refreshed = redis.call('HGET', KEYS[2], 'at')
    if whole == 0 or refreshed and whole < tonumber(refreshed) then
        return 0
    end
end
for i = 3, #ARGV, 2 do
    local old = redis.call('HGET', KEYS[1], ARGV[i])
    if not old or tonumber(string.match(ARGV[i + 1], '^%d+')) > tonumber(string.match(old, '^%d+')) then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end
if whole > 0 then
    local old = redis.call('HGET', KEYS[1], '.')
    if not old or whole > tonumber(old) then
        redis.call('HSET', KEYS[1], '.', ARGV[1])
    end
    redis.call('EXPIREAT', KEYS[1], ARGV[2])
end
return 1
