-- The load of the part `publish`: one message a request. Arguments: the API key or "", and "id" for
-- an Idempotency-Key of its own for each request.
local before, after, sent = "", nil, 0

function init(args)
    local key, ids = args[1] or "", args[2] == "id"
    wrk.method = "POST"
    wrk.body = '{"n":1,"text":"' .. string.rep("x", 110) .. '"}'
    wrk.headers["Content-Type"] = "application/json"
    if key ~= "" then
        wrk.headers["X-API-Key"] = key
    end
    if ids then
        -- No id of this run may be one of the last.
        math.randomseed(os.time())
        wrk.headers["Idempotency-Key"] = os.time() .. "-" .. math.random(1000000) .. "-@"
    end
    before = wrk.format()
    local at = before:find("-@", 1, true)
    if at then
        before, after = before:sub(1, at), before:sub(at + 2)
    end
end

function request()
    if not after then
        return before
    end
    sent = sent + 1
    return before .. sent .. after
end

function done(summary, latency)
    local errors = summary.errors
    local format = '{"requests":%d,"seconds":%f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}'
    io.write(string.format(format, summary.requests, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout), "\n")
end
