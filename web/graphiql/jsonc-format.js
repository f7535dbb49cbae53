// A prettier plugin for JSON with comments, on the parser GraphiQL bundles
// anyway, in place of prettier's whole JavaScript printer.
import { applyEdits, format } from 'jsonc-parser';

const options = { insertSpaces: true, tabSize: 2, eol: '\n', insertFinalNewline: false };

export const parsers = {
  jsonc: {
    astFormat: 'jsonc-text',
    locStart: () => 0,
    locEnd: (node) => node.text.length,
    parse: (text) => ({ text: applyEdits(text, format(text, undefined, options)) }),
  },
};

export const printers = {
  'jsonc-text': { print: (path) => path.node.text },
};
