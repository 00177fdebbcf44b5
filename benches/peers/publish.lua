-- The load of the part `publish`: one message a request. Arguments: the API key or "", and "id" for
-- an Idempotency-Key of its own for each request.
local key, ids, sent = "", false, 0

function init(args)
    key, ids = args[1] or "", args[2] == "id"
    wrk.method = "POST"
    wrk.body = '{"n":1,"text":"' .. string.rep("x", 110) .. '"}'
    wrk.headers["Content-Type"] = "application/json"
    if key ~= "" then
        wrk.headers["X-API-Key"] = key
    end
    plain = wrk.format()
    -- No id of this run may be one of the last.
    start = tostring(os.time()) .. tostring(math.random(1000000))
end

function request()
    if not ids then
        return plain
    end
    sent = sent + 1
    wrk.headers["Idempotency-Key"] = start .. "-" .. sent
    return wrk.format()
end

function done(summary, latency)
    local errors = summary.errors
    local format = '{"requests":%d,"seconds":%f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}'
    io.write(string.format(format, summary.requests, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout), "\n")
end
