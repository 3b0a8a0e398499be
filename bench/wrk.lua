-- wrk [options] --script wrk.lua URL -- TASKS
-- The same request again and again: a GET where TASKS is 0, else a POST of so many tasks; more than
-- one go as an array. No code runs for a request. The last line is what was measured, as JSON.
local task = '{"type":"log","payload":{"hello":"world"}}'

function init(arguments)
    local count = tonumber(arguments[1])
    if count == 0 then
        return
    end
    local tasks = {}
    for i = 1, count do
        tasks[i] = task
    end
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.body = count == 1 and task or "[" .. table.concat(tasks, ",") .. "]"
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "rate": %f, "refused": %d, "broken": %d, "p50_ms": %f, "p99_ms": %f}\n',
        summary.requests, summary.requests / summary.duration * 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
