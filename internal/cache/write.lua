-- The only script that writes minutes.
-- KEYS[1]  the minute's hash
-- KEYS[2]  the hash of the last refresh
-- ARGV[1]  when the complete minute was read, in Unix milliseconds; 0 for the
--         rows that a load changed
-- ARGV[2]  when the hash expires, in Unix seconds
-- ARGV[3…] field and value, alternating; a value starts with its revision
--
-- A field is replaced only by a larger revision, so writers may run in any
-- order. A hash is created only from a complete minute that was read after the
-- last refresh: otherwise it would lack earlier changes for good. Returns 0 if
-- the hash doesn't exist and can't be created.
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
