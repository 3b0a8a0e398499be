// pg-boss with large batches, without the sorting that its page "Workers" allows to leave out where the
// order does not matter. A worker that had a batch asks for the next at once: `work` alone takes no more
// than two a second.
import { PgBoss } from "pg-boss";

const BATCH = 5000;
const WORKERS = 2;
const QUEUE = "noop";
const options = {
    batchSize: 1000,
    orderByCreatedOn: false,
    priority: false,
    pollingIntervalSeconds: 0.5,
};

async function open(more) {
    const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, schedule: false, ...more });
    boss.on("error", (problem) => console.error(problem));
    await boss.start();
    return boss;
}

async function fill(count) {
    const boss = await open({ supervise: false });
    await boss.createQueue(QUEUE);
    for (let first = 0; first < count; first += BATCH) {
        const length = Math.min(BATCH, count - first);
        await boss.insert(QUEUE, Array.from({ length }, () => ({ data: { hello: "world" } })));
    }
    await boss.stop();
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
    const boss = await open();
    for (let worker = 0; worker < WORKERS; worker++) {
        const id = await boss.work(QUEUE, options, async (jobs) => {
            if (ran === 0) {
                console.log(`first ${Date.now() / 1000}`);
            }
            ran += jobs.length;
            boss.notifyWorker(id);
        });
    }
    const telling = setInterval(tell, 10);
    process.once("SIGTERM", async () => {
        await boss.stop();
        clearInterval(telling);
        tell();
    });
}

await (process.argv[2] === "fill" ? fill(Number(process.argv[3])) : work());
