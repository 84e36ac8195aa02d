// Makes docs/conformance.md of docs/conformance/*.yaml, which lists the requirements, and of the markers above the tests that prove them:
//
//   // proves LM-04/server-names/1, 2; profile/events/3
//   it('…', …)
//
//   node tools/conformance.mjs                 writes the page
//   node tools/conformance.mjs --check         fails when the page, a marker or a `where` is not true (a step of npm run check)
//   node tools/conformance.mjs --draft FILE    compares the lists with the keywords of the draft's markdown, section by section
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { parse } from 'yaml';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LISTS = 'docs/conformance';
const PAGE = 'docs/conformance.md';
const KEYWORD = /\b(?:MUST NOT|MUST|SHALL NOT|SHALL|SHOULD NOT|SHOULD|REQUIRED)\b/g;
const MARKER = /^\/\/ proves (.+)$/;
const MARKED = /^(LM-04|profile)\/([a-z0-9-]+)\/(\d+(?:, \d+)*)$/;
const KINDS = ['differs', 'partly', 'open', 'na'];

/** The lists as written: [{file, title, about, sections: {slug: {title, rows: {n: row}}}}]. */
export function readLists(root = ROOT) {
  return readdirSync(join(root, LISTS))
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => ({ file: `${LISTS}/${name}`, ...parse(readFileSync(join(root, LISTS, name), 'utf8')) }));
}

/** Requirements by id, in the order of the lists. */
export function requirementsOf(lists) {
  const out = new Map();
  for (const { source, sections } of lists) {
    for (const [slug, { rows }] of Object.entries(sections)) {
      for (const [n, row] of Object.entries(rows)) out.set(`${source}/${slug}/${n}`, row);
    }
  }
  return out;
}

/** Every test file below src, test and demo. */
export function testFiles(root = ROOT) {
  const below = (directory) =>
    readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
      const path = `${directory}/${entry.name}`;
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : below(path);
      return entry.name.endsWith('.spec.ts') ? [path] : [];
    });
  return ['src', 'test', 'demo'].flatMap(below).sort();
}

/** The markers of a test file: [{ids, file, test}], and what is wrong with them. */
export function markersIn(file, text) {
  const markers = [];
  const faults = [];
  let read = 0;
  const visit = (node, names) => {
    const name = ts.isExpressionStatement(node) ? titleOf(node.expression) : undefined;
    if (name !== undefined) {
      const lists = commentsAbove(node, text).flatMap((comment) => MARKER.exec(comment)?.[1] ?? []);
      read += lists.length;
      const ids = lists.flatMap((list) => idsOf(list, (fault) => faults.push(`${file}: ${fault}`)));
      if (ids.length > 0) markers.push({ ids, file, test: [...names, name].join(': ') });
    }
    ts.forEachChild(node, (child) => visit(child, name === undefined ? names : [...names, name]));
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true), []);
  const written = text.match(/^\s*\/\/ proves /gm)?.length ?? 0;
  if (written !== read) faults.push(`${file}: ${String(written - read)} of the markers stand above no test`);
  return { markers, faults };
}

/** The name of a test or a group of tests; undefined for any other expression. */
function titleOf(expression) {
  if (!ts.isCallExpression(expression)) return undefined;
  let callee = expression.expression;
  while (
    ts.isCallExpression(callee) ||
    ts.isPropertyAccessExpression(callee) ||
    ts.isTaggedTemplateExpression(callee)
  ) {
    callee = ts.isTaggedTemplateExpression(callee) ? callee.tag : callee.expression;
  }
  if (!ts.isIdentifier(callee) || !['it', 'test', 'describe'].includes(callee.text)) return undefined;
  const [first] = expression.arguments;
  return first !== undefined && ts.isStringLiteralLike(first) ? first.text : undefined;
}

function commentsAbove(node, text) {
  return (ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []).map(({ pos, end }) => text.slice(pos, end));
}

function idsOf(list, fault) {
  return list.split('; ').flatMap((item) => {
    const [, source, slug, numbers] = MARKED.exec(item.trim()) ?? [];
    if (numbers === undefined) {
      fault(`“${item}” is no marker: write LM-04/section/1, 2; profile/section/3`);
      return [];
    }
    return numbers.split(', ').map((n) => `${source}/${slug}/${n}`);
  });
}

/** What is not true, a sentence each. `exists(path)`, `read(path)`: of the files that rows name. */
export function faultsOf(requirements, markers, { exists, read }) {
  const faults = [];
  const proofs = proofsOf(markers);
  for (const { ids, file, test } of markers) {
    for (const id of ids)
      if (!requirements.has(id)) faults.push(`${file}: “${test}” proves ${id}, which does not exist`);
  }
  for (const [id, row] of requirements) {
    const kinds = KINDS.filter((kind) => row[kind] !== undefined);
    if (kinds.length > 1) faults.push(`${id} is both ${kinds.join(' and ')}`);
    if (typeof row.text !== 'string' || typeof row.level !== 'string') faults.push(`${id} has no level or no text`);
    const places = placesOf(row);
    for (const place of places) {
      const [path, symbol] = place.split('#');
      if (!exists(path)) faults.push(`${id}: ${path} does not exist`);
      else if (symbol !== undefined && !read(path).includes(symbol))
        faults.push(`${id}: there is no ${symbol} in ${path}`);
    }
    const [kind] = kinds;
    const proved = proofs.has(id);
    if (kind === undefined && places.length === 0) faults.push(`${id} says neither where it is met nor why not`);
    if ((kind === undefined || (kind !== 'na' && kind !== 'open' && places.length > 0)) && !proved)
      faults.push(`${id} has no test that proves it`);
    if (kind === 'na' && (proved || places.length > 0))
      faults.push(`${id} does not apply, and yet has a place or a test`);
  }
  return faults;
}

function proofsOf(markers) {
  const proofs = new Map();
  for (const { ids, file, test } of markers) {
    for (const id of ids) proofs.set(id, [...(proofs.get(id) ?? []), { file, test }]);
  }
  return proofs;
}

const placesOf = ({ where = [] }) => (Array.isArray(where) ? where : [where]);

/** The page. */
export function page(lists, markers) {
  const proofs = proofsOf(markers);
  const tally = { met: 0, differs: 0, partly: 0, open: 0, na: 0 };
  const body = lists.flatMap(({ source, title, about, sections }) => [
    `## ${title}`,
    '',
    ...(about === undefined ? [] : [about.trim(), '']),
    ...Object.entries(sections).flatMap(([slug, section]) => [
      `### ${section.title}`,
      '',
      '| id | level | requirement | where | proof, or why not |',
      '| --- | --- | --- | --- | --- |',
      ...Object.entries(section.rows).map(([n, row]) => {
        tally[KINDS.find((kind) => row[kind] !== undefined) ?? 'met']++;
        return line(`${source}/${slug}/${n}`, row, proofs.get(`${source}/${slug}/${n}`) ?? []);
      }),
      '',
    ]),
  ]);
  return `${introduction(tally)}\n${body.join('\n')}`;
}

function introduction({ met, differs, partly, open, na }) {
  return `# Conformance

What draft-ralston-mimi-linearized-matrix-04 (LM-04) asks of a server, every MUST, MUST NOT, SHOULD and SHOULD NOT of it in the draft's
order, with the code that meets it and the tests that prove it; then what the draft leaves open or says in two ways, as this project has
settled it. Rows with the level “text” are rules that the draft gives without a keyword.

Made by \`npm run conformance\` of the lists in [conformance/](conformance/) and of the \`// proves\` markers above the tests; \`npm run check\`
fails when this page is stale, when a marker names a requirement that does not exist, when a row that claims a test has none, or when a row names
a file or a symbol that is gone.

| what is said of a requirement | requirements |
| --- | --- |
| met, and proved by a test | ${met} |
| read otherwise, with the reason | ${differs} |
| met in part, and it says which | ${partly} |
| open: not met, or not proved | ${open} |
| does not apply to this server | ${na} |
`;
}

function line(id, row, proofs) {
  const where = placesOf(row).map((place) => {
    const [path, symbol] = place.split('#');
    return `[${symbol ?? path.split('/').at(-1)}](../${path})`;
  });
  const reasons = {
    differs: 'Read otherwise: ',
    partly: 'In part: ',
    open: '**Open**: ',
    na: 'Does not apply: ',
  };
  const why = KINDS.flatMap((kind) => (row[kind] === undefined ? [] : [`${reasons[kind]}${row[kind]}`]));
  const tests = proofs.map(
    ({ file, test }) => `[${file.split('/').at(-1)}](../${file}): “${test.replace(/[\\_*<>`[\]]/g, '\\$&')}”`,
  );
  const cells = [id, row.level, row.text, where.join(', '), [...why, ...tests].join('<br>')];
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

/** Where the lists and the draft's markdown do not have the same keywords, section by section. */
export function againstDraft(lists, draft) {
  const listed = new Map();
  for (const { source, sections } of lists) {
    if (source !== 'LM-04') continue;
    for (const [slug, { rows, draft: heading = slug }] of Object.entries(sections)) {
      listed.set(
        heading,
        Object.values(rows).flatMap(({ level }) => level.match(KEYWORD) ?? []),
      );
    }
  }
  const asked = new Map();
  let slug;
  for (const text of draft.slice(draft.indexOf('--- middle')).split('\n')) {
    const [, title, anchor] = /^#+ (.*?)(?: \{#(?:int-)?(.*?)\})?$/.exec(text) ?? [];
    if (title !== undefined)
      slug =
        anchor ??
        title
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '-')
          .replace(/^-|-$/g, '');
    else if (slug !== undefined) asked.set(slug, `${asked.get(slug) ?? ''} ${text.trim()}`);
  }
  const wanted = new Map([...asked].map(([name, text]) => [name, text.match(KEYWORD) ?? []]));
  const sorted = (words) => [...(words ?? [])].sort().join(', ');
  return [...new Set([...wanted.keys(), ...listed.keys()])].flatMap((name) => {
    const [has, wants] = [sorted(listed.get(name)), sorted(wanted.get(name))];
    return has === wants ? [] : [`${name}: the draft has [${wants}], the lists have [${has}]`];
  });
}

function main([option, argument]) {
  const lists = readLists();
  const requirements = requirementsOf(lists);
  const found = testFiles().map((file) => markersIn(file, readFileSync(join(ROOT, file), 'utf8')));
  const markers = found.flatMap((each) => each.markers);
  const faults = [
    ...found.flatMap((each) => each.faults),
    ...faultsOf(requirements, markers, {
      exists: (path) => existsSync(join(ROOT, path)),
      read: (path) => readFileSync(join(ROOT, path), 'utf8'),
    }),
    ...(option === '--draft' ? againstDraft(lists, readFileSync(argument, 'utf8')) : []),
  ];
  const text = page(lists, markers);
  const path = join(ROOT, PAGE);
  if (option === undefined) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text)
    faults.push(`${PAGE} is stale: run npm run conformance`);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
