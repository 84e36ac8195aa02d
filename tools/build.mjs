// Compiles src and demo into dist, without failpoints. With --failpoints also into dist-faults, with them: for the fault suite.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FAILPOINT_MODULE = /(^|\/)failpoint\.js$/;
const FAILPOINT_FILE = /\/persistence\/failpoint\.(js|js\.map)$/;

const { options, fileNames, errors } = ts.getParsedCommandLineOfConfigFile(
  join(ROOT, 'tsconfig.build.json'),
  {},
  { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (diagnostic) => fail([diagnostic]) },
);
if (errors.length > 0) fail(errors);
const program = ts.createProgram(fileNames, options);
const faults = ts.getPreEmitDiagnostics(program);
if (faults.length > 0) fail(faults);

emit('dist', { before: [withoutFailpoints] }, (path) => !FAILPOINT_FILE.test(path));
if (process.argv.includes('--failpoints')) emit('dist-faults', {}, () => true);

/** `into` takes the place of the directory of tsconfig.build.json. */
function emit(into, transformers, wanted) {
  const [from, to] = [options.outDir, join(ROOT, into)];
  const write = (path, text) => {
    if (wanted(path)) ts.sys.writeFile(path.replace(from, to), text);
  };
  const { diagnostics } = program.emit(undefined, write, undefined, false, transformers);
  if (diagnostics.length > 0) fail(diagnostics);
}

/** A transformer: the statements `failpoint('…');` and the import of it are gone. */
function withoutFailpoints(context) {
  const visit = (node) => {
    if (ts.isImportDeclaration(node) && FAILPOINT_MODULE.test(node.moduleSpecifier.text)) return undefined;
    if (ts.isExpressionStatement(node) && isFailpoint(node.expression)) return undefined;
    return ts.visitEachChild(node, visit, context);
  };
  return (file) => ts.visitNode(file, visit);
}

function isFailpoint(node) {
  return ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'failpoint';
}

function fail(diagnostics) {
  const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => ROOT, getNewLine: () => '\n' };
  console.error(ts.formatDiagnostics(diagnostics, host));
  process.exit(1);
}
