/**
 * The machine's own limits as a server: raw TLS that echoes, and that writes the rows of a database, nothing else.
 *
 * A process of its own, as the real server is. Arguments: a folder with `server.crt` and `server.key`, and a database file
 * to read a mailbox from, with the id of its owner, or nothing. Prints its port.
 * @module
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CERTIFICATE_FILE, KEY_FILE } from "../../lib/net/identity.ts";

const [folder = ".", database, accountId] = Deno.args;
const encoder = new TextEncoder();
/** As much as a waiting read of our server holds, so that idle connections compare. */
const IDLE_BYTES = 1024;

const listener = Deno.listenTls({
  hostname: "127.0.0.1",
  port: 0,
  cert: await Deno.readTextFile(join(folder, CERTIFICATE_FILE)),
  key: await Deno.readTextFile(join(folder, KEY_FILE)),
});
await Deno.stdout.write(encoder.encode(`port ${listener.addr.port}\n`));
for await (const socket of listener) serve(socket).catch(() => socket.close());

async function serve(socket: Deno.TlsConn): Promise<void> {
  await socket.handshake();
  if (database !== undefined) return await drain(socket, database, Number(accountId));
  let buffer = new Uint8Array(IDLE_BYTES);
  for (let count = await socket.read(buffer); count !== null; count = await socket.read(buffer)) {
    await writeAll(socket, buffer.subarray(0, count));
    if (count === buffer.length && count === IDLE_BYTES) buffer = new Uint8Array(64 * 1024);
  }
  socket.close();
}

/** Reads the rows of a mailbox and writes them in the bytes that the protocol gives them. */
async function drain(socket: Deno.TlsConn, path: string, recipientId: number): Promise<void> {
  await socket.read(new Uint8Array(1024)); // the one who asks says when
  const connection = new DatabaseSync(path, { readOnly: true });
  const rows = connection.prepare(
    "SELECT m.sequence, m.id, a.name, m.text, m.stored_at FROM messages m JOIN accounts a ON a.id = m.sender_id " +
      "WHERE m.recipient_id = ? ORDER BY m.sequence",
  ).iterate(recipientId);
  let text = "";
  for (const row of rows) {
    const params = {
      sequence: row.sequence,
      id: row.id,
      from: row.name,
      text: row.text,
      storedAt: row.stored_at,
    };
    text += `{"jsonrpc":"2.0","method":"message_received","params":${JSON.stringify(params)}}\n`;
    if (text.length > 60_000) {
      await writeAll(socket, encoder.encode(text));
      text = "";
    }
  }
  await writeAll(socket, encoder.encode(text));
  connection.close();
  await socket.read(new Uint8Array(1024));
  socket.close();
}

async function writeAll(socket: Deno.TlsConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await socket.write(bytes.subarray(sent));
}
