/**
 * A program that tells its service manager that it is well only as long as it is answered: each question is a line of output,
 * each answer one of input.
 * @module
 */
// deno-lint-ignore-file no-console
import { ServiceManager } from "../../lib/server/service_manager.ts";

const [socket = "", watchdogUsec] = Deno.args;
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const answers = Deno.stdin.readable.getReader();
using manager = new ServiceManager({ socket, watchdogUsec, watchdogPid: undefined }, log);
await manager.ready("Serving", () => {
  console.log("asked");
  return answers.read();
});
await new Promise(() => {}); // until it is killed
