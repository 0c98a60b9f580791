/**
 * What the manual pages say beside the command trees: descriptions, files, examples.
 * @module
 */
import type { PageText } from "./manual_page.ts";

/** All of a page's text but the exit status, which stands where the program ends. */
type Text = Omit<PageText, "exitStatus">;

/** Of the client. */
export const CLIENT_PAGE: Text = {
  about: "chat with people on a Mini-Chat server, live and by e-mail",
  description: [
    "Without a subcommand it opens a menu of eight options at a prompt: connect, users, send, inbox, host and join a direct " +
    "chat, email, disconnect. Type the number or the name of one; *help* there explains each. An invite link, or a server that " +
    "is known already, may stand in the place of a subcommand: the menu then connects to it.",
    "The subcommands are for scripts. They print nothing on success but their result, one JSON object a line with *--json*, and " +
    "errors on standard error. A message counts as sent once it is on the server's disk. A password is asked for at a terminal; " +
    "without one it is the first line of standard input, or what *--password-command* prints. It is never an argument, which " +
    "every user of the machine can read.",
    "Everything travels over TLS. The server's key is pinned at the first contact: the invite link carries its fingerprint, and if " +
    "the key has changed, the client says so and does not connect.",
  ],
  files: [
    ["~/.local/state/mini-chat/", "The profile on Linux (under $XDG_STATE_HOME where that is set)."],
    ["~/Library/Application Support/mini-chat/", "The profile on macOS."],
    ["%LOCALAPPDATA%\\mini-chat\\", "The profile on Windows."],
    [
      "profile.db",
      "In the profile: logins, pinned keys, messages that are not sent yet, mail accounts, lines typed at the prompt. Only its owner can read it.",
    ],
  ],
  examples: [
    [
      "mini-chat-client 'mini-chat://chat.example.org/CODE#SHA256:…'",
      "Open the menu, and make an account with an invite link.",
    ],
    ["printf 'backup done' | mini-chat-client send bob -", "Send what another program prints."],
    ["mini-chat-client inbox --json | jq -r .text", "Read the new messages."],
    ["mini-chat-client tail", "Follow them live."],
    [
      "mini-chat-client --password-command 'pass show chat' login chat.example.org ana",
      "Sign in without typing the password.",
    ],
    ['eval "$(mini-chat-client completions bash)"', "Have bash complete subcommands, flags and names."],
  ],
  seeAlso: ["mini-chat-server(1)"],
};

/** Of the server. */
export const SERVER_PAGE: Text = {
  about: "a chat server in one file: accounts, mailboxes, presence",
  description: [
    "Without a subcommand it serves until SIGTERM, SIGINT or SIGHUP. It makes its data folder, a key and a certificate when there are " +
    "none, and prints an invite link, with which people register. TLS is on from the first byte.",
    "The subcommands look after accounts, invites, bans, reports, backups and the server itself. Most work on the data folder whether " +
    "or not a server is running on it; a running server notices within seconds. They must run as the user that the server runs as.",
    "Several servers can share one PostgreSQL: *--database* and *--database-file*.",
  ],
  files: [
    ["./data/", "The data folder, unless *--data* names another one. Only its owner can read it."],
    [
      "data/mini-chat.db",
      "Accounts, messages, invites (SQLite, with -wal and -shm beside it while it is open).",
    ],
    [
      "data/server.key, data/server.crt",
      "The key that clients have pinned, and its certificate. *backup* takes them along.",
    ],
    [
      "data/server.sock, data/server.run",
      "While a server runs: where *status*, *healthcheck* and *doctor* reach it.",
    ],
  ],
  examples: [
    ["mini-chat-server --public-host chat.example.org", "Serve; the invite link names that host."],
    [
      "mini-chat-server invite new --uses 1 --days 7 --note bob",
      "Print a link for one person, good for a week.",
    ],
    ["mini-chat-server user reset-password bob", "Set a new password for somebody who has forgotten theirs."],
    [
      "mini-chat-server backup --keep 7 /var/backups/mini-chat/",
      "Write a dated copy of everything, and keep the newest seven.",
    ],
    ["mini-chat-server ban account eve --for 7d", "Keep somebody out for a week."],
    ["mini-chat-server status --watch", "Watch a running server."],
  ],
  seeAlso: ["mini-chat-client(1)"],
};
