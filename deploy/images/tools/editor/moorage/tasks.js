// The devfile's commands as tasks of the kind `devfile`. The agent writes them into a file at each start, in the form of `CommandsFile`
// (src/moorage/contract/spec.py); it is read whenever the editor asks for tasks, so that it may come late, or change.
const fs = require("fs/promises");
const vscode = require("vscode");

const FILE = `${process.env.PROJECTS_ROOT || "/projects"}/.moorage/commands.json`;
const KIND = "devfile";
// VS Code knows no groups for what runs, debugs or deploys.
const GROUPS = { build: vscode.TaskGroup.Build, test: vscode.TaskGroup.Test };

exports.offerTasks = (context) => {
  context.subscriptions.push(
    vscode.tasks.registerTaskProvider(KIND, {
      provideTasks: async () => {
        const { main, commands } = await read();
        return commands.map((command) => taskOf(command, main, { type: KIND, command: command.id }));
      },
      // For a task that tasks.json names: {"type": "devfile", "command": "test"}.
      resolveTask: async (task) => {
        const { main, commands } = await read();
        const command = commands.find((each) => each.id === task.definition.command);
        return command && taskOf(command, main, task.definition);
      },
    }),
  );
};

async function read() {
  try {
    const { main_container: main, commands = [] } = JSON.parse(await fs.readFile(FILE, "utf8"));
    return { main, commands };
  } catch (error) {
    if (error.code !== "ENOENT") console.error(`${FILE} cannot be read: ${error}`);
    return { main: "", commands: [] };
  }
}

function taskOf(command, main, definition) {
  const why = elsewhere(command, main);
  const run = command.run;
  // Through `sh`, as everywhere: a person's own shell may be another. Where a command cannot be run, running it says why.
  const execution = why
    ? new vscode.ShellExecution(`printf '%s\\n' ${quoted(why)} >&2; exit 1`, { executable: "sh", shellArgs: ["-c"] })
    : new vscode.ShellExecution(run.command_line, {
        executable: "sh",
        shellArgs: ["-c"],
        cwd: run.working_dir || process.env.PROJECT_SOURCE,
        env: run.env || {},
      });
  const task = new vscode.Task(definition, vscode.TaskScope.Workspace, command.id, KIND, execution, []);
  task.detail = [command.label, why || (command.members || []).join(command.parallel ? " and " : ", then ") || run.command_line]
    .filter(Boolean)
    .join(": ")
    .replace(/\s+/g, " ");
  const group = !why && GROUPS[command.group];
  // The interface takes a group as it is; only its constructor's kind has no way to say which one is the default.
  if (group) task.group = { id: group.id, isDefault: Boolean(command.is_default) };
  return task;
}

// Why a command is not for this container; "": it is.
function elsewhere(command, main) {
  if (command.unable) return `${command.id} cannot be run. ${command.unable}`;
  if (command.run && command.run.container === main) return "";
  const workspace = (process.env.MOORAGE_WORKSPACE_PAGE || "").split("/").pop() || "WORKSPACE";
  const where = command.run ? `in the container ${command.run.container}` : "in several containers";
  return `${command.id} runs ${where}, which the editor cannot reach. On your own machine: moor run ${workspace} ${command.id}`;
}

function quoted(text) {
  return `'${text.replace(/'/g, "'\\''")}'`;
}
