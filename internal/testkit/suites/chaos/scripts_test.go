package chaos

// Three wrong scripts for writing minutes.
const (
	incr = `
local whole = tonumber(ARGV[1])
if whole == 0 and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 3, #ARGV, 2 do
    local old, new = redis.call('HGET', KEYS[1], ARGV[i]), ARGV[i + 1]
    local rev, n, rest = string.match(new, '^(%d+) (%d+) (.*)$')
    if old and whole == 0 then
        new = rev .. ' ' .. (n + string.match(old, '^%d+ (%d+)')) .. ' ' .. rest
    end
    if not old or tonumber(rev) > tonumber(string.match(old, '^%d+')) then
        redis.call('HSET', KEYS[1], ARGV[i], new)
    end
end
if whole > 0 then redis.call('HSET', KEYS[1], '.', ARGV[1]) redis.call('EXPIREAT', KEYS[1], ARGV[2]) end
return 1`
	largerValue = `
local whole = tonumber(ARGV[1])
if whole == 0 and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 3, #ARGV, 2 do
    local old = redis.call('HGET', KEYS[1], ARGV[i])
    if not old or tonumber(string.match(ARGV[i + 1], '^%d+ (%d+)')) > tonumber(string.match(old, '^%d+ (%d+)')) then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end
if whole > 0 then redis.call('HSET', KEYS[1], '.', ARGV[1]) redis.call('EXPIREAT', KEYS[1], ARGV[2]) end
return 1`
	ownRows = `
local whole = tonumber(ARGV[1])
for i = 3, #ARGV, 2 do
    local old = redis.call('HGET', KEYS[1], ARGV[i])
    if not old or tonumber(string.match(ARGV[i + 1], '^%d+')) > tonumber(string.match(old, '^%d+')) then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end
redis.call('HSET', KEYS[1], '.', redis.call('TIME')[1] .. '000')
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return 1`
)
