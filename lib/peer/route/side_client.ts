import { ConnectionError, messageOf } from "../../errors.ts";
import { type ByteStream, closeQuietly, writeAll } from "../../net/byte_stream.ts";
import { type Endpoint, SIDE_REQUESTS } from "../../protocol/chat_messages.ts";
import { SIDE_ALPN } from "../../protocol/limits.ts";
import { checked } from "../../protocol/requests.ts";
import { encodeRequest, fromRpcError, parseEnvelope } from "../../protocol/rpc.ts";
import type { ServerDoor } from "../rendezvous.ts";
import { type Bridge, prefixed } from "../../net/streams.ts";

const MAX_REPLY_BYTES = 4 * 1024;
const LF = 0x0a;

export async function openRelay(
  server: ServerDoor,
  ticket: string,
  signal: AbortSignal,
): Promise<ByteStream> {
  const tcp = await Deno.connect({ hostname: server.address, port: server.port, signal });
  tcp.setNoDelay(true);
  const { stream, rest } = await ask(server, { tcp, cut: () => {} }, "relay", { ticket }, signal);
  return prefixed(rest, stream);
}

export async function findAddress(
  server: ServerDoor,
  bridge: Bridge,
  signal: AbortSignal,
): Promise<{ seen: Endpoint; stream: ByteStream }> {
  const { result, stream } = await ask(server, bridge, "find_address", {}, signal);
  return { seen: checked(SIDE_REQUESTS.find_address.result, result, "the reply to find_address"), stream };
}

async function ask(
  server: ServerDoor,
  bridge: Bridge,
  method: keyof typeof SIDE_REQUESTS,
  params: unknown,
  signal: AbortSignal,
): Promise<{ result: unknown; stream: ByteStream; rest: Uint8Array }> {
  return await speakTls(bridge, signal, (tcp) => server.startTls(tcp, [SIDE_ALPN]), async (stream) => {
    await writeAll(stream, new TextEncoder().encode(encodeRequest(1, method, params)));
    return { ...await readReply(stream), stream };
  });
}

/** Speaks TLS over a bridge, which is closed when that fails or the signal is aborted meanwhile. */
export async function speakTls<T>(
  { tcp, cut }: Bridge,
  signal: AbortSignal,
  startTls: (tcp: Deno.TcpConn) => Promise<Deno.TlsConn>,
  speak: (tls: Deno.TlsConn) => Promise<T>,
): Promise<T> {
  let stream: ByteStream = tcp;
  const close = () => {
    closeQuietly(stream);
    cut();
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    signal.throwIfAborted();
    const tls = await startTls(tcp);
    stream = tls;
    signal.throwIfAborted();
    // Before the first write: closing cancels a handshake that waits, but not a write.
    await tls.handshake();
    return await speak(tls);
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

async function readReply(stream: ByteStream): Promise<{ result: unknown; rest: Uint8Array }> {
  const buffer = new Uint8Array(MAX_REPLY_BYTES);
  let filled = 0;
  for (;;) {
    const count = await stream.read(buffer.subarray(filled));
    if (count === null || count === 0) throw new ConnectionError("The server hung up without an answer");
    filled += count;
    const end = buffer.subarray(0, filled).indexOf(LF);
    if (end === -1) continue;
    const reply = parseEnvelope(new TextDecoder().decode(buffer.subarray(0, end)));
    if (reply.kind === "failure") {
      const refusal = fromRpcError(reply.error);
      throw new ConnectionError(messageOf(refusal), { cause: refusal });
    }
    if (reply.kind !== "success") throw new ConnectionError("The server sent something else than an answer");
    return { result: reply.result, rest: buffer.slice(end + 1, filled) };
  }
}
