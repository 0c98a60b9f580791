/**
 * zod against valibot on the frames of the hot path: parses a second, and what either costs at start.
 *
 * `deno run --allow-read --allow-run tests/bench/schemas.ts`; every figure is the median of several fresh processes. What
 * was decided by it stands in `lib/protocol/fields.ts`.
 * @module
 */

/** A schema of either library, as a function that says whether a value passes. */
type Check = (value: unknown) => boolean;

/** Makes the same three schemas with a library that was just loaded. */
type Build = () => Record<string, Check>;

/** What one process has measured. */
interface Figures {
  readonly startMs: Record<"import" | "build" | "firstParse", number>;
  readonly parsesPerSecond: Record<string, number>;
}

const PROCESSES = 9;
const SETS = 12; // of three schemas each: about as many as the protocol has
const BATCH = 20_000;
const BATCHES = 15; // the first ones warm up; the fastest counts

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NAME = /^[a-z0-9_.-]{1,32}$/;
const MAX_TEXT_UNITS = 16 * 1024;

const ID = "0198d2c4-7a10-7c3e-9b1f-2f6d8e4a5b6c";
const TEXT = "Shall we meet at eight, or is that too early for you on a Sunday?";
const FRAMES = {
  send_message: { id: ID, to: "ben.k", text: TEXT },
  acknowledge: { delivered: 48_213, read: 48_190 },
  message_received: { sequence: 48_214, id: ID, from: "ana", text: TEXT, storedAt: 1_795_000_000_000 },
};

const LIBRARIES: Record<string, () => Promise<Build>> = { zod: loadZod, valibot: loadValibot };

async function loadZod(): Promise<Build> {
  const z = await import("zod");
  return () => {
    const id = z.string().regex(UUID);
    const name = z.string().regex(NAME);
    const sequence = z.int().min(0);
    const text = z.string().min(1).refine((value) => value.isWellFormed())
      .refine((value) => value.length <= MAX_TEXT_UNITS);
    const schemas = {
      send_message: z.strictObject({ id, to: name, text }),
      acknowledge: z.strictObject({ delivered: sequence.exactOptional(), read: sequence.exactOptional() }),
      message_received: z.object({ sequence, id, from: name, text: z.string(), storedAt: z.int() }),
    };
    return {
      send_message: (value) => schemas.send_message.safeParse(value).success,
      acknowledge: (value) => schemas.acknowledge.safeParse(value).success,
      message_received: (value) => schemas.message_received.safeParse(value).success,
    };
  };
}

async function loadValibot(): Promise<Build> {
  const v = await import("valibot");
  return () => {
    const id = v.pipe(v.string(), v.regex(UUID));
    const name = v.pipe(v.string(), v.regex(NAME));
    const int = v.pipe(v.number(), v.safeInteger());
    const sequence = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
    const text = v.pipe(
      v.string(),
      v.minLength(1),
      v.check((value) => value.isWellFormed()),
      v.check((value) => value.length <= MAX_TEXT_UNITS),
    );
    const schemas = {
      send_message: v.strictObject({ id, to: name, text }),
      acknowledge: v.strictObject({ delivered: v.exactOptional(sequence), read: v.exactOptional(sequence) }),
      message_received: v.object({ sequence, id, from: name, text: v.string(), storedAt: int }),
    };
    return {
      send_message: (value) => v.safeParse(schemas.send_message, value).success,
      acknowledge: (value) => v.safeParse(schemas.acknowledge, value).success,
      message_received: (value) => v.safeParse(schemas.message_received, value).success,
    };
  };
}

/** Measures one library in this process, which has loaded neither before. */
async function measure(load: () => Promise<Build>): Promise<Figures> {
  const times = [performance.now()];
  const build = await load();
  times.push(performance.now());
  const [checks = {}] = Array.from({ length: SETS }, () => build());
  times.push(performance.now());
  for (const [name, frame] of Object.entries(FRAMES)) expect(checks[name]!, frame);
  times.push(performance.now());
  const [importMs = 0, buildMs = 0, firstParseMs = 0] = times.slice(1).map((time, index) =>
    time - times[index]!
  );
  return {
    startMs: { import: importMs, build: buildMs, firstParse: firstParseMs },
    parsesPerSecond: Object.fromEntries(
      Object.entries(FRAMES).map((
        [name, frame],
      ) => [name, fastest(checks[name]!, frame)]),
    ),
  };
}

/** Neither library may win by checking less: the frame passes, and not without its first field. */
function expect(check: Check, frame: object): void {
  const broken = { ...frame, [Object.keys(frame)[0]!]: null };
  if (!check(frame) || check(broken)) throw new Error(`A schema fails on ${JSON.stringify(frame)}`);
}

function fastest(check: Check, frame: object): number {
  let best = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const values = Array.from({ length: BATCH }, () => ({ ...frame })); // a new object for each, as JSON.parse gives
    const startedAt = performance.now();
    for (const value of values) check(value);
    best = Math.max(best, BATCH / (performance.now() - startedAt) * 1_000);
  }
  return best;
}

async function measureApart(library: string): Promise<Figures> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-read", import.meta.filename!, library],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function main(): Promise<void> {
  const [asked] = Deno.args;
  if (asked !== undefined) {
    const load = LIBRARIES[asked];
    if (!load) throw new Error(`Cannot measure ${asked}: there are ${Object.keys(LIBRARIES).join(", ")}`);
    await write(JSON.stringify(await measure(load)));
    return;
  }
  for (const library of Object.keys(LIBRARIES)) {
    const all: Figures[] = [];
    for (let run = 0; run < PROCESSES; run++) all.push(await measureApart(library));
    const ms = (part: keyof Figures["startMs"]) => median(all.map(({ startMs }) => startMs[part])).toFixed(1);
    await write(
      `${library}: at start ${ms("import")} ms import, ${ms("build")} ms for ${SETS * 3} schemas, ` +
        `${ms("firstParse")} ms for the first parse of each\n`,
    );
    for (const name of Object.keys(FRAMES)) {
      const rate = median(all.map(({ parsesPerSecond }) => parsesPerSecond[name]!));
      await write(`  ${name}: ${(rate / 1e6).toFixed(2)} million parses a second\n`);
    }
  }
}

async function write(text: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(text));
}

await main();
