// The way back from the editor. Where Moorage's own pages are, the environment says: MOORAGE_WORKSPACE_PAGE, set for every workspace.
const vscode = require("vscode");

exports.offerTheWayBack = (context) => {
  const page = process.env.MOORAGE_WORKSPACE_PAGE;
  if (!page) return;
  // VS Code takes a link to `localhost` for one to a program of this workspace, and would lead to a port of it. To a browser, capitals
  // make no difference.
  const opens = (address) => () => vscode.env.openExternal(vscode.Uri.parse(address.replace("//localhost", "//LOCALHOST"), true));
  const item = vscode.window.createStatusBarItem("moorage.back", vscode.StatusBarAlignment.Left, 10_000);
  item.name = "Moorage";
  item.text = "$(arrow-left) Moorage";
  item.command = "moorage.openWorkspace";
  item.tooltip = new vscode.MarkdownString("[This workspace's page](command:moorage.openWorkspace) · [All workspaces](command:moorage.openList)");
  item.tooltip.isTrusted = { enabledCommands: ["moorage.openWorkspace", "moorage.openList"] };
  item.accessibilityInformation = { label: "Moorage: open this workspace's page", role: "link" };
  item.show();
  context.subscriptions.push(
    item,
    vscode.commands.registerCommand("moorage.openWorkspace", opens(page)),
    vscode.commands.registerCommand("moorage.openList", opens(new URL("/", page).href)),
  );
  vscode.commands.executeCommand("setContext", "moorage.page", true);
};
