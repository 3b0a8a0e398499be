// graphile-worker as its page "Performance" sets it for its own figures: fetched and completed in batches.
import { Logger, makeWorkerUtils, run } from "graphile-worker";

const BATCH = 5000;
const preset = {
    worker: {
        connectionString: process.env.DATABASE_URL,
        concurrentJobs: 24,
        maxPoolSize: 25,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger: new Logger(() => (level, message) => {
            if (level === "error" || level === "warning") {
                console.error(message);
            }
        }),
    },
};

async function fill(count) {
    const utils = await makeWorkerUtils({ preset });
    await utils.migrate();
    for (let first = 0; first < count; first += BATCH) {
        const length = Math.min(BATCH, count - first);
        await utils.addJobs(Array.from({ length }, () => ({
            identifier: "noop",
            payload: { hello: "world" },
        })));
    }
    await utils.release();
}

async function work() {
    let ran = 0;
    let told = 0;
    const tell = () => {
        if (ran !== told) {
            told = ran;
            console.log(`ran ${ran}`);
        }
    };
    const noop = async () => {
        if (ran++ === 0) {
            console.log(`first ${Date.now() / 1000}`);
        }
    };
    const runner = await run({ preset, noHandleSignals: true, parsedCronItems: [] }, { noop });
    const telling = setInterval(tell, 10);
    process.once("SIGTERM", async () => {
        await runner.stop();
        clearInterval(telling);
        tell();
    });
}

await (process.argv[2] === "fill" ? fill(Number(process.argv[3])) : work());
