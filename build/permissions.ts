/**
 * What each program may do: the one list that the tasks, the executables and the end-to-end tests share.
 *
 * `tests/architecture_test.ts` compares the tasks in `deno.json` with it, since JSON cannot import.
 * Deno's permission sets in `deno.json` would do the same, but print a warning at each start (Deno 2.8).
 * @module
 */

/** Variables that both programs read. All others look unset, so that a library that probes for one does not fail. */
const SHARED_VARIABLES = [
  "MINI_CHAT_*", // every flag of ours
  "HOME,USERPROFILE,XDG_STATE_HOME,LOCALAPPDATA", // where the profile lives
  "NO_COLOR,FORCE_COLOR,TERM,COLUMNS,LANG,LC_ALL", // what the terminal can show
];

/** Variables that only the server reads. */
const SERVER_VARIABLES = [
  "NOTIFY_SOCKET,WATCHDOG_USEC,WATCHDOG_PID", // how it tells the service manager that it accepts, and that it is well
  "USER,USERNAME,SUDO_USER", // who the operator is, for the audit log
];

/** Variables that only the client reads: the editor, how to reach a browser, and which terminal this is. */
const CLIENT_VARIABLES = [
  "EDITOR,VISUAL,TMPDIR,TEMP,USER,USERNAME,SSH_CONNECTION,SSH_TTY",
  "DISPLAY,WAYLAND_DISPLAY,BROWSER,XDG_DOWNLOAD_DIR,XDG_RUNTIME_DIR,PATH",
  "TERM_PROGRAM,LC_TERMINAL,KITTY_WINDOW_ID,TMUX,STY",
];

/**
 * Flags of the server: any address and any file that its user may reach, no subprocess; native libraries until it listens.
 * Shape: as `deno run` and `deno compile` take them, one string a flag.
 *
 * The last one is no permission: V8 keeps room for what is new and soon gone, 48 MiB of it after a rush of logins, and never
 * gives it back. With a quarter of it 5,000 idle connections take 7 KiB less each. The price is more frequent collections: about
 * 1.5 µs more for a message at full load, where it takes 26 µs in all.
 */
export const SERVER_PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  `--allow-env=${[...SHARED_VARIABLES, ...SERVER_VARIABLES].join(",")}`,
  "--ignore-env",
  "--allow-sys=hostname,networkInterfaces,osRelease,uid,statfs",
  "--allow-ffi", // for lib/net/notify_socket.ts, and lib/net/no_delay.ts, which then gives it up
  "--v8-flags=--max-semi-space-size=4",
];

/**
 * Flags of the client: those of the server, its own variables, and the programs that it starts: a shell (for
 * `--password-command`, the editor and the command of `notify`), and what opens a link on Linux, macOS and Windows.
 */
export const CLIENT_PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  `--allow-env=${[...SHARED_VARIABLES, ...CLIENT_VARIABLES].join(",")}`,
  "--ignore-env",
  "--allow-sys=hostname,networkInterfaces,osRelease,uid",
  "--allow-run=sh,cmd,xdg-open,open,rundll32",
];

/** Flags of the tests, which start programs, open sockets and write temporary folders. */
export const TEST_PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-run",
  "--allow-sys",
];
