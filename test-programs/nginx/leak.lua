-- Loaded once per worker. encrypt() passes records of one shape, every value different, to the library that forgets its
-- copies; remember() keeps request lines in a Lua table, whose memory is LuaJIT's own mappings and not [heap]; note() keeps
-- small tables of one shape.
local ffi = require "ffi"
ffi.cdef [[ unsigned enc_record(const char *record, size_t length); ]]

local M = {}
local format, random, char = string.format, math.random, string.char
local os_names = { "Android 14", "iOS 17.4", "Windows 11", "HarmonyOS 4" }
local models = { "Pixel 8 Pro", "iPhone 15", "Surface Go", "Mate 60 Pro", "Galaxy S23" }
local things = { "blue chair", "garden lamp", "oak table", "wool carpet", "tea kettle", "wall clock", "linen towel", "copper pan" }
local kept, n = {}, 0
local notes = {}

local function hex(words)
    local s = ""
    for _ = 1, words do s = s .. format("%08x", random(0, 0x7fffffff)) end
    return s
end

function M.load(path) M.crypt = ffi.load(path) end

function M.encrypt(count)
    local sum = 0
    for _ = 1, count do
        local record = format(
            '{"trace_id":"%s","user_id":%d,"device":{"os":"%s","model":"%s"},"payload":"order %d with %d times %s, then %s and %s for the %s","sign":"%s"}',
            hex(4), random(100000, 999999), os_names[random(4)], models[random(5)], random(10000, 99999), random(2, 9),
            things[random(8)], things[random(8)], things[random(8)], things[random(8)], hex(5))
        sum = M.crypt.enc_record(record, #record)
    end
    return count, sum
end

function M.remember(count)
    for _ = 1, count do
        n = n + 1
        kept[n] = format("GET /v1/orders/%d?expires=%d&sig=%s", 1000000 + n, 1700000000 + random(0, 99999999), hex(4))
    end
    return n
end

function M.note(count)
    for i = 1, count do
        notes[#notes + 1] = { order = n + i, body = format("note %d", random(1000000, 9999999)), at = random() }
    end
    return #notes
end

return M
