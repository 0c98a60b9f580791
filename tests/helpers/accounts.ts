/**
 * Accounts of tests, spoken for over the wire.
 * @module
 */
import type { TestServer } from "./mini_chat.ts";
import { addBeside, PASSWORD } from "./population.ts";
import { Wire } from "./wire.ts";

export { PASSWORD };

/** The join code of an invite link. */
export function joinCodeOf(link: string): string {
  const [, code] = /mini-chat:\/\/[^/]+\/([^#\s]+)/.exec(link) ?? [];
  if (!code) throw new Error(`No join code in ${link}`);
  return code;
}

/** Makes an account, without the work of registering, and returns its signed-in connection. */
export async function connectAs(server: TestServer, name: string): Promise<Wire> {
  const { token } = await addBeside(server.data, name);
  return await connectWith(server, token);
}

/** Signs in with the token of a session. */
export async function connectWith(server: TestServer, token: string): Promise<Wire> {
  const wire = await Wire.greet(server.port);
  await wire.ask("resume", { token });
  return wire;
}

/** Registers a new account with a password and returns its signed-in connection. */
export async function registerAs(server: TestServer, name: string): Promise<Wire> {
  const wire = await Wire.greet(server.port);
  await wire.ask("register", { name, password: PASSWORD, joinCode: joinCodeOf(server.inviteLink) });
  return wire;
}

/** Signs in with the password, on a device that the server has not seen. */
export async function loginAs(server: TestServer, name: string): Promise<Wire> {
  const wire = await Wire.greet(server.port);
  await wire.ask("login", { name, password: PASSWORD });
  return wire;
}
