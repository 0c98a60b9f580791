// What an `App` is made of, for the entry file to load in one go once it is known that one is needed.
export { readPasswordCommand } from "../mail/password_command.ts";
export { openProfile } from "../profile/profile.ts";
export { App } from "./app.ts";
export { defaultDownloadFolder } from "./direct/screen.ts";
export { readAllInput } from "./read_input.ts";
export { isServerName } from "./chat/servers.ts";
