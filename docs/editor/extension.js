// Starts `doorward lsp` for .ward and .rego files, and hands it what is typed.

const { workspace } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

function activate() {
  const settings = workspace.getConfiguration("doorward");
  const [command, ...args] = settings.get("command");
  client = new LanguageClient(
    "doorward",
    "Doorward",
    { command, args, transport: TransportKind.stdio },
    {
      documentSelector: [
        { scheme: "file", language: "ward" },
        { scheme: "file", language: "rego" },
      ],
      initializationOptions: { roots: settings.get("roots") },
    },
  );
  return client.start();
}

function deactivate() {
  return client === undefined ? undefined : client.stop();
}

module.exports = { activate, deactivate };
