import { UsageError } from "../../errors.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { splitName } from "../chat/send.ts";

export function chatCommand(options: readonly MenuCommand[]): MenuCommand {
  const names = options.map(({ name }) => name);
  return {
    name: "chat",
    usage: `${names.join("|")} [FRIEND] [--port N]`,
    summary: "Options 4 and 5 in other words",
    complete: (args) => completeFirstWord(args, names),
    run: (args, context) => {
      const [word, rest] = splitName(args);
      const option = options.find(({ name }) => name === word);
      if (!option) {
        throw new UsageError(
          `Cannot chat ${word || "without a word more"}: say chat ${names.join(" or chat ")}`,
        );
      }
      return option.run(rest, context);
    },
  };
}
