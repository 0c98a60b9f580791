// The completion scripts. Each asks the program at every Tab, which takes about as long as `--version`: so no script knows a
// subcommand or a flag, and none can be older than the program. The answer: `words`, `files` or `folders` in the first line,
// then one candidate a line. A script takes it as text alone; nothing of it is ever evaluated.
import type { Shell } from "./shells.ts";

/** The script that makes a shell complete the program's arguments. */
export function completionScript(name: string, shell: Shell): string {
  const scripts: Record<Shell, (name: string) => string> = { bash, zsh, fish };
  return scripts[shell](name);
}

/** The file that a shell finds the script in by itself, in its folder of completions. */
export function completionFile(name: string, shell: Shell): string {
  const files: Record<Shell, string> = { bash: name, zsh: `_${name}`, fish: `${name}.fish` };
  return files[shell];
}

// Two words of one argument where `:`, `=` or `@` is in it are bash's idea alone, so it hands over the line as it is typed.
function bash(name: string): string {
  const function_ = `_${name.replaceAll("-", "_")}`;
  return `# ${name} for bash
${function_}() {
  local program=${name} kind line
  [[ $1 == */* ]] && program=\${1/#'~/'/$HOME/}
  COMPREPLY=()
  {
    IFS= read -r kind
    case $kind in
      files) compopt -o default ;;
      folders) compopt -o dirnames ;;
    esac
    while IFS= read -r line; do COMPREPLY+=("$line"); done
  } < <(command "$program" complete bash -- "\${COMP_LINE:0:COMP_POINT}" "$2" </dev/null) 2>/dev/null
}
complete -F ${function_} ${name}
`;
}

function zsh(name: string): string {
  return `#compdef ${name}
_${name}() {
  local program=${name}
  local -a answer
  [[ $words[1] == */* ]] && program=\${words[1]/#'~/'/$HOME/}
  answer=("\${(@f)$(command "$program" complete zsh -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" </dev/null 2>/dev/null)}")
  case $answer[1] in
    files) compset -P '--*='; _files ;;
    folders) compset -P '--*='; _files -/ ;;
    *) shift answer; (( $#answer )) && _describe -t values value answer ;;
  esac
}
if [[ $funcstack[1] == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

function fish(name: string): string {
  const function_ = `__${name.replaceAll("-", "_")}_complete`;
  return `# ${name} for fish
function ${function_}
    set -l typed (commandline -opc)
    while string match -qr '^\\w+=' -- $typed[1]
        set -e typed[1]
    end
    set -l word (commandline -ct)
    set -l plain (string unescape -- $word 2>/dev/null; or string replace -r '^[\\'"]' '' -- $word)
    set -l program ${name}
    string match -q '*/*' -- $typed[1]; and set program (string replace -r '^~/' "$HOME/" -- $typed[1])
    set -l answer (command $program complete fish -- $typed[2..-1] "$plain" </dev/null 2>/dev/null)
    switch "$answer[1]"
        case files folders
            set -l flag (string match -r -- '^--[^=]*=' $plain)
            set -l begun (string sub -s (math 1 + (string length -- "$flag")) -- $plain)
            if test "$answer[1]" = folders
                __fish_complete_directories "$begun" | string replace -r '^' -- "$flag"
            else
                __fish_complete_path "$begun" | string replace -r '^' -- "$flag"
            end
        case '*'
            printf '%s\\n' $answer[2..-1]
    end
end
complete -c ${name} -f -a '(${function_})'
`;
}
