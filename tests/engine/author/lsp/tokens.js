// Prints the scopes of each token of a text: `node tokens.js GRAMMARS SCOPE < text`, GRAMMARS being the folder of both.

const { readFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const oniguruma = require("vscode-oniguruma");
const textmate = require("vscode-textmate");

const [folder, scope] = process.argv.slice(2);
const files = { "source.rego": "rego.tmLanguage.json", "source.ward": "ward.tmLanguage.json" };

async function main() {
  const wasm = join(dirname(require.resolve("vscode-oniguruma")), "onig.wasm");
  await oniguruma.loadWASM(readFileSync(wasm).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (name) =>
      textmate.parseRawGrammar(readFileSync(join(folder, files[name]), "utf8"), files[name]),
  });
  const grammar = await registry.loadGrammar(scope);
  const found = [];
  let state = textmate.INITIAL;
  for (const line of readFileSync(0, "utf8").split("\n")) {
    const result = grammar.tokenizeLine(line, state);
    for (const token of result.tokens) {
      found.push([line.slice(token.startIndex, token.endIndex), token.scopes]);
    }
    state = result.ruleStack;
  }
  process.stdout.write(JSON.stringify(found));
}

main();
