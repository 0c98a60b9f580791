/**
 * Sets TCP_NODELAY on a listening socket as the server does, and prints what came of it and what is left of the permission.
 * @module
 */
import { setNoDelay } from "../../lib/net/no_delay.ts";

using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const { port } = listener.addr;
const isSet = setNoDelay(port);
const isSetAgain = setNoDelay(port);
listener.close();
const isSetOnNothing = setNoDelay(port);
const { state } = await Deno.permissions.query({ name: "ffi" });
let opened = "another library";
try {
  Deno.dlopen("libm.so.6", {});
} catch (error) {
  opened = (error as Error).name;
}
// deno-lint-ignore no-console
console.log(JSON.stringify({ isSet, isSetAgain, isSetOnNothing, state, opened }));
