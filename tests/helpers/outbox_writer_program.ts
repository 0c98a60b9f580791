/**
 * A program of its own that writes one message into the outbox of a profile and stays, so that a test can kill it.
 *
 * Arguments: the profile's folder, the id of a server in it, the text. Prints `written`, and ends with its input.
 * @module
 */
import { newMessageId } from "../../lib/protocol/fields.ts";
import { openProfile } from "../../lib/profile/profile.ts";

const [folder = "", serverId = "", text = ""] = Deno.args;
using profile = openProfile(folder);
profile.recordsOf({ serverId: Number(serverId), name: "ana" }).add({ id: newMessageId(), to: "bob", text });
await Deno.stdout.write(new TextEncoder().encode("written\n"));
await Deno.stdin.readable.pipeTo(new WritableStream());
