import { type Json, jsonList, textOf } from './model.js';
import { escapeText } from './mrkdwn.js';

const SIGNS: readonly (readonly [string, string])[] = [
  ['code', '`'],
  ['strike', '~'],
  ['italic', '_'],
  ['bold', '*'],
];

function runText(run: Json): string {
  switch (run.type) {
    case 'text':
      return escapeText(textOf(run.text));
    case 'link':
      return run.text === undefined ? `<${textOf(run.url)}>` : `<${textOf(run.url)}|${escapeText(textOf(run.text))}>`;
    case 'emoji':
      return `:${textOf(run.name)}${typeof run.skin_tone === 'number' ? `::skin-tone-${run.skin_tone}` : ''}:`;
    case 'user':
      return `<@${textOf(run.user_id)}>`;
    case 'channel':
      return `<#${textOf(run.channel_id)}>`;
    case 'usergroup':
      return `<!subteam^${textOf(run.usergroup_id)}>`;
    case 'broadcast':
      return `<!${textOf(run.range)}>`;
    default:
      return escapeText(textOf(run.fallback) || textOf(run.value));
  }
}

function styledRun(run: Json): string {
  const style = typeof run.style === 'object' && run.style !== null ? (run.style as Json) : {};
  const text = runText(run);
  return SIGNS.reduce((inner, [name, sign]) => (style[name] === true ? `${sign}${inner}${sign}` : inner), text);
}

const runsOf = (element: Json): string => jsonList(element.elements).map(styledRun).join('');

function elementText(element: Json): string {
  switch (element.type) {
    case 'rich_text_quote':
      return runsOf(element)
        .split('\n')
        .map((line) => `&gt; ${line}`)
        .join('\n');
    case 'rich_text_preformatted':
      return `\`\`\`${runsOf(element)}\`\`\``;
    case 'rich_text_list': {
      const indent = '    '.repeat(Number(element.indent ?? 0));
      const first = Number(element.offset ?? 0) + 1;
      return jsonList(element.elements)
        .map((item, index) => `${indent}${element.style === 'ordered' ? `${first + index}.` : '•'} ${runsOf(item)}`)
        .join('\n');
    }
    default:
      return runsOf(element);
  }
}

function blockText(block: Json): string {
  switch (block.type) {
    case 'rich_text':
      return jsonList(block.elements).map(elementText).join('\n');
    case 'section':
      return [block.text, ...jsonList(block.fields)].map((each) => textOf((each as Json | undefined)?.text)).join('\n');
    case 'context':
      return jsonList(block.elements)
        .map((each) => textOf(each.text) || textOf(each.alt_text))
        .join(' ');
    case 'header':
      return textOf((block.text as Json | undefined)?.text);
    case 'image':
      return textOf(block.alt_text);
    case 'markdown':
      return textOf(block.text);
    default:
      return '';
  }
}

/** The text that Slack keeps beside blocks which came without one. */
export const mrkdwnOf = (blocks: readonly Json[]): string =>
  blocks
    .map(blockText)
    .filter((text) => text !== '')
    .join('\n');
