// The eight options as the menu shows them, apart from what they do: the screen has them before anything else is loaded.
import { HELP, type Overviewed, overviewOf } from "../terminal/overview.ts";
import { VERSION } from "../version.ts";

export const TITLE = `Mini-Chat ${VERSION}`;

export const OPTIONS = {
  connect: { number: 0, name: "connect", usage: "[SERVER | LINK]", summary: "Connect to the server" },
  users: { number: 1, name: "users", summary: "Get the user list" },
  send: { number: 2, name: "send", usage: "[USER [TEXT]]", summary: "Send a message" },
  inbox: { number: 3, name: "inbox", summary: "Get my messages" },
  host: {
    number: 4,
    name: "host",
    usage: "[FRIEND] [--port N] [--map-port]",
    summary: "Initiate a chat with my friend",
  },
  join: { number: 5, name: "join", usage: "[FRIEND] [--port N]", summary: "Chat with my friend" },
  email: { number: 6, name: "email", usage: "[RECIPIENTS | setup | …]", summary: "Send an email" },
  disconnect: { number: 7, name: "disconnect", summary: "Disconnect and leave" },
} as const satisfies Record<string, Overviewed>;

export function firstMenu(screenColumns: number): string {
  return `${TITLE}\n${overviewOf([...Object.values(OPTIONS), HELP], screenColumns)}`;
}
