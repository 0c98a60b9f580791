// The operator's log: one line an event, as text or JSON, on standard error.
// Properties whose name says that they hold a secret are struck out, whoever logs them.
import {
  configure,
  getConsoleSink,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type LogRecord,
  reset,
  type Sink,
} from "@logtape/logtape";
import type { Log } from "../chat/services.ts";
import { ChatError } from "../errors.ts";

/** Levels a log can be cut at, the least important first. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

export type LogLevel = typeof LOG_LEVELS[number];

export type LogFormat = "text" | "json";

const SECRET = /password|token|secret|text|joincode/i;

const utf8 = new TextEncoder();

/** @param level Least important level that is written. */
export async function startLog(level: LogLevel, format: LogFormat): Promise<Log> {
  const formatter = format === "json" ? getJsonLinesFormatter({ properties: "flatten" }) : getTextFormatter({
    format: ({ timestamp, level, message, record }) =>
      `${timestamp} ${level} ${message}${Object.entries(record.properties).map(pair).join("")}`,
    level: "full",
  });
  const sink: Sink = (record: LogRecord) => {
    const line = formatter({ ...record, properties: clean(record.properties) });
    try {
      Deno.stderr.writeSync(utf8.encode(line.endsWith("\n") ? line : `${line}\n`));
    } catch {
      // Nobody reads it any more (a closed pipe); serving goes on.
    }
  };
  await configure({
    reset: true,
    sinks: { lines: sink, meta: getConsoleSink() },
    loggers: [
      { category: "mini-chat", sinks: ["lines"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: ["meta"], lowestLevel: "warning" },
    ],
  });
  return getLogger("mini-chat");
}

export function stopLog(): Promise<void> {
  return reset();
}

function clean(properties: Record<string, unknown>): Record<string, unknown> {
  const cleaned = Object.entries(properties)
    .map(([name, value]) => [name, SECRET.test(name) ? "[removed]" : printable(value)]);
  return Object.fromEntries(cleaned);
}

/** A property as it is logged: of an error its stack, and what has caused it. */
export function printable(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  // A disk that is full or a database that is away is no fault of ours: where in the program it was noticed helps nobody.
  if (value instanceof ChatError && value.code !== "internal") return chain(value);
  const cause = value.cause === undefined ? "" : `; caused by ${String(printable(value.cause))}`;
  return `${value.stack ?? value}${cause}`;
}

function chain(value: unknown): string {
  if (!(value instanceof Error)) return String(value);
  return value.cause === undefined ? value.message : `${value.message}; caused by ${chain(value.cause)}`;
}

function pair([name, value]: [string, unknown]): string {
  return ` ${name}=${typeof value === "string" ? JSON.stringify(value) : String(value)}`;
}
