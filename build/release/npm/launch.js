#!/usr/bin/env node
// Starts the executable for this machine, which npm has put beside this package. For Node.js since 6.9.
"use strict";
const childProcess = require("child_process");
const tty = require("tty");
const about = require("./package.json");

const isWindows = process.platform === "win32";

function fail(what) {
  process.exitCode = 1;
  process.stderr.write("Cannot start " + about.name + ": " + what + "\n");
}

function findProgram() {
  const systems = { darwin: "macos", win32: "windows" };
  const machine = (systems[process.platform] || process.platform) + "-" + process.arch;
  const wanted = about.name + "-" + machine;
  const offered = Object.keys(about.optionalDependencies);
  if (offered.indexOf(wanted) < 0) {
    return fail("there is no executable for " + machine + "; there is one in each of " + offered.join(", "));
  }
  try {
    return require.resolve(wanted + "/" + about.name + (isWindows ? ".exe" : ""));
  } catch (_) {
    fail(
      "its package " + wanted +
        " is not installed: npm leaves it out with --omit=optional, and on a Linux without glibc, " +
        "such as Alpine; install again with: npm install --include=optional " + about.name,
    );
  }
}

function start(program) {
  const args = process.argv.slice(2);
  // Since Node.js 22.15, but not on Windows: the program takes the place of this process, and nothing is left to pass on.
  if (process.execve) process.execve(program, [program].concat(args), process.env);

  const child = childProcess.spawn(program, args, { stdio: "inherit" });
  const isAtTerminal = tty.isatty(0) || tty.isatty(1) || tty.isatty(2);
  (isWindows ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP"]).forEach((signal) => {
    process.on(signal, () => {
      // The keys of a terminal reach the program without us; on Windows, kill() would end it at once.
      const isByKey = isWindows || (isAtTerminal && (signal === "SIGINT" || signal === "SIGQUIT"));
      if (!isByKey) child.kill(signal);
    });
  });
  child.on("error", (error) => fail(error.message));
  child.on("exit", (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal); // as it ended, so do we
  });
}

const program = findProgram();
if (program) start(program);
