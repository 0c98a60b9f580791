/**
 * A server that answers as a test says, rightly or not, over TLS and the real envelope.
 * @module
 */
import { createEphemeralIdentity } from "../../lib/net/identity.ts";
import { Listener } from "../../lib/net/listener.ts";
import { RpcConnection } from "../../lib/net/rpc_connection.ts";
import type { RequestName, Result } from "../../lib/protocol/requests.ts";
import type { App } from "../../lib/commands/app.ts";
import { openAccount } from "../../lib/commands/scripts.ts";

/** Answers by method: what the function returns or throws. Other methods get no answer. */
export type Answers = { readonly [M in RequestName]?: (params: unknown, rpc: RpcConnection) => unknown };

/** Where it is, and how to break with it. */
export interface OddServer extends AsyncDisposable {
  readonly port: number;
  readonly certificate: string;
  readonly fingerprint: null;
  /** Breaks every connection. */
  cut(): void;
}

/** Greets callers, signs anybody in as ana, who has blocked nobody, and lets them go. */
export const SIGNS_IN = {
  hello: (): Result<"hello"> => ({
    protocol: 1,
    server: { name: "odd", version: "0" },
    time: 0,
    registration: "closed",
    limits: { frameBytes: 0, textBytes: 0, nameChars: 0, pendingRequests: 0, pingAfterMs: 0, deadAfterMs: 0 },
  }),
  resume: (): Result<"resume"> => ({
    name: "ana",
    token: "token",
    deviceId: "device",
    readSequence: 0,
    shareRead: false,
    email: null,
  }),
  list_blocked: (): Result<"list_blocked"> => ({ names: [] }),
  bye: (): Result<"bye"> => ({}),
} satisfies Answers;

/** Starts one on loopback. */
export async function startOddServer(answers: Answers): Promise<OddServer> {
  const identity = await createEphemeralIdentity();
  const open = new Set<RpcConnection>();
  const listener = Listener.listen({
    port: 0,
    host: "127.0.0.1",
    identity,
    onConnection: (connection) => {
      const rpc: RpcConnection = new RpcConnection(connection, {
        onRequest: (method, params) => {
          const answer = answers[method as RequestName];
          return answer === undefined ? new Promise(() => {}) : answer(params, rpc);
        },
      });
      open.add(rpc);
    },
  });
  const cut = () => open.forEach((rpc) => rpc.abort());
  return {
    port: listener.port,
    certificate: identity.certificatePem,
    fingerprint: null,
    cut,
    async [Symbol.asyncDispose]() {
      listener.close();
      cut();
      await listener.finished;
    },
  };
}

/** Keeps a login of ana there, as if she had signed in before. */
export function knowServer({ profile }: App, server: OddServer) {
  const known = profile.saveServer({
    port: server.port,
    certificate: server.certificate,
    fingerprint: null,
    host: "127.0.0.1",
  });
  const login = { token: "token", deviceId: crypto.randomUUID() };
  profile.saveLogin({ serverId: known.serverId, name: "ana" }, login);
  return known;
}

/** Signs ana in there, as a subcommand does. */
export async function enterOddServer(app: App, server: OddServer): Promise<void> {
  knowServer(app, server);
  await openAccount(app, {});
}
