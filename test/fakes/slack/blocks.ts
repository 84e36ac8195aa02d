import { type Json, SlackError, isJson } from './model.js';

const MAX_BLOCKS = 50; // docs.slack.dev/reference/block-kit/blocks
const MAX_SECTION = 3_000;
const MAX_FIELD = 2_000;
const MAX_HEADER = 150;
const MAX_CONTEXT_ELEMENTS = 10;
const MAX_ACTIONS = 25;
const MAX_URL = 3_000;
const MAX_ALT_TEXT = 2_000;
const MAX_MARKDOWN = 12_000;

/** Does this file exist, so that an image block may show it? */
export type KnowsFile = (id: string) => boolean;

/** Refuses blocks that Slack refuses, with `invalid_blocks` and where it is wrong. */
export function checkBlocks(blocks: unknown, knowsFile: KnowsFile): Json[] {
  if (!Array.isArray(blocks)) throw new SlackError('invalid_blocks_format');
  const check = new BlockCheck(knowsFile);
  if (blocks.length > MAX_BLOCKS) check.wrong('no more than 50 items allowed', '/blocks');
  const ids = new Set<string>();
  for (const [index, block] of blocks.entries()) {
    check.block(block, `/blocks/${index}`);
    const id = isJson(block) ? block.block_id : undefined;
    if (typeof id !== 'string') continue;
    if (ids.has(id)) check.wrong(`block_id ${id} already exists`, `/blocks/${index}/block_id`);
    ids.add(id);
  }
  check.markdown(blocks);
  return blocks.filter(isJson);
}

class BlockCheck {
  constructor(private readonly knowsFile: KnowsFile) {}

  wrong(what: string, pointer: string): never {
    const message = `[ERROR] ${what} [json-pointer:${pointer}]`;
    throw new SlackError('invalid_blocks', { errors: [message.slice(8)], response_metadata: { messages: [message] } });
  }

  block(block: unknown, at: string): void {
    const value = this.object(block, at);
    if (value.block_id !== undefined) this.text(value.block_id, 255, `${at}/block_id`);
    switch (value.type) {
      case 'section': {
        this.section(value, at);
        return;
      }
      case 'context': {
        this.context(value, at);
        return;
      }
      case 'image': {
        this.image(value, at);
        return;
      }
      case 'header': {
        this.textObject(value.text, ['plain_text'], MAX_HEADER, `${at}/text`);
        return;
      }
      case 'divider':
        return;
      case 'actions': {
        this.list(value.elements, 1, MAX_ACTIONS, `${at}/elements`, (each, where) => this.control(each, where));
        return;
      }
      case 'rich_text': {
        this.list(value.elements, 0, Infinity, `${at}/elements`, (each, where) => this.richText(each, where));
        return;
      }
      case 'markdown': {
        this.text(value.text, MAX_MARKDOWN, `${at}/text`);
        return;
      }
      case 'video':
      case 'file':
      case 'input':
      case 'table':
        return;
      default:
        this.wrong(`unsupported type: ${String(value.type)}`, `${at}/type`);
    }
  }

  markdown(blocks: readonly unknown[]): void {
    const texts = blocks.filter(isJson).filter((block) => block.type === 'markdown');
    const length = texts.reduce((sum, block) => sum + String(block.text).length, 0);
    if (length > MAX_MARKDOWN) throw new SlackError('msg_blocks_too_long');
  }

  private section(block: Json, at: string): void {
    if (block.text === undefined && block.fields === undefined) this.wrong('missing required field: text', at);
    if (block.text !== undefined) this.textObject(block.text, ['plain_text', 'mrkdwn'], MAX_SECTION, `${at}/text`);
    if (block.fields !== undefined) {
      this.list(block.fields, 1, 10, `${at}/fields`, (each, where) =>
        this.textObject(each, ['plain_text', 'mrkdwn'], MAX_FIELD, where),
      );
    }
    if (block.accessory !== undefined) this.control(block.accessory, `${at}/accessory`);
  }

  private context(block: Json, at: string): void {
    this.list(block.elements, 1, MAX_CONTEXT_ELEMENTS, `${at}/elements`, (each, where) => {
      const element = this.object(each, where);
      if (element.type === 'image') {
        this.image(element, where);
        return;
      }
      this.textObject(element, ['plain_text', 'mrkdwn'], MAX_SECTION, where);
    });
  }

  private image(image: Json, at: string): void {
    this.text(image.alt_text, MAX_ALT_TEXT, `${at}/alt_text`);
    if (image.title !== undefined) this.textObject(image.title, ['plain_text'], MAX_FIELD, `${at}/title`);
    if (image.slack_file !== undefined) {
      const file = this.object(image.slack_file, `${at}/slack_file`);
      const known = typeof file.id === 'string' ? this.knowsFile(file.id) : typeof file.url === 'string';
      if (!known) this.wrong('invalid slack file', `${at}/slack_file`);
      return;
    }
    this.text(image.image_url, MAX_URL, `${at}/image_url`);
    if (!/^https?:\/\//.test(String(image.image_url))) this.wrong('must be a valid url', `${at}/image_url`);
  }

  private control(value: unknown, at: string): void {
    const element = this.object(value, at);
    if (element.type === 'image') {
      this.image(element, at);
      return;
    }
    if (element.type === 'button') this.textObject(element.text, ['plain_text'], 75, `${at}/text`);
    if (typeof element.type !== 'string') this.wrong('missing required field: type', at);
    if (element.action_id !== undefined) this.text(element.action_id, 255, `${at}/action_id`);
  }

  private richText(value: unknown, at: string): void {
    const element = this.object(value, at);
    switch (element.type) {
      case 'rich_text_section':
      case 'rich_text_quote': {
        this.list(element.elements, 0, Infinity, `${at}/elements`, (each, where) => this.run(each, where));
        return;
      }
      case 'rich_text_preformatted': {
        this.list(element.elements, 0, Infinity, `${at}/elements`, (each, where) => {
          const { type } = this.object(each, where);
          if (type !== 'text' && type !== 'link') this.wrong(`unsupported type: ${String(type)}`, `${where}/type`);
          this.run(each, where);
        });
        return;
      }
      case 'rich_text_list':
        if (element.style !== 'bullet' && element.style !== 'ordered')
          this.wrong('must be a valid enum value', `${at}/style`);
        if (element.indent !== undefined) this.count(element.indent, 8, `${at}/indent`);
        if (element.offset !== undefined) this.count(element.offset, Number.MAX_SAFE_INTEGER, `${at}/offset`);
        {
          this.list(element.elements, 0, Infinity, `${at}/elements`, (each, where) => {
            if (this.object(each, where).type !== 'rich_text_section') this.wrong('must be rich_text_section', where);
            this.richText(each, where);
          });
          return;
        }
      default:
        this.wrong(`unsupported type: ${String(element.type)}`, `${at}/type`);
    }
  }

  private run(value: unknown, at: string): void {
    const run = this.object(value, at);
    if (run.style !== undefined) this.style(run.style, `${at}/style`);
    switch (run.type) {
      case 'text': {
        // Slack refuses a run without text.
        this.text(run.text, Infinity, `${at}/text`);
        return;
      }
      case 'link':
        this.text(run.url, MAX_URL, `${at}/url`);
        if (run.text !== undefined) this.text(run.text, Infinity, `${at}/text`);
        return;
      case 'emoji': {
        this.text(run.name, Infinity, `${at}/name`);
        return;
      }
      case 'user': {
        this.id(run.user_id, /^[UW][A-Z0-9]+$/, `${at}/user_id`);
        return;
      }
      case 'channel': {
        this.id(run.channel_id, /^[CDG][A-Z0-9]+$/, `${at}/channel_id`);
        return;
      }
      case 'usergroup': {
        this.id(run.usergroup_id, /^S[A-Z0-9]+$/, `${at}/usergroup_id`);
        return;
      }
      case 'broadcast': {
        this.id(run.range, /^(here|channel|everyone)$/, `${at}/range`);
        return;
      }
      case 'color': {
        this.id(run.value, /^#[0-9A-Fa-f]{6}$/, `${at}/value`);
        return;
      }
      case 'date':
        this.count(run.timestamp, Number.MAX_SAFE_INTEGER, `${at}/timestamp`);
        {
          this.text(run.format, Infinity, `${at}/format`);
          return;
        }
      default:
        this.wrong(`unsupported type: ${String(run.type)}`, `${at}/type`);
    }
  }

  private style(value: unknown, at: string): void {
    for (const [name, on] of Object.entries(this.object(value, at))) {
      const known = ['bold', 'italic', 'strike', 'code', 'underline', 'highlight', 'client_highlight', 'unlink'];
      if (!known.includes(name)) this.wrong(`invalid additional property: ${name}`, at);
      if (typeof on !== 'boolean') this.wrong('must be a boolean', `${at}/${name}`);
    }
  }

  private textObject(value: unknown, types: readonly string[], max: number, at: string): void {
    const object = this.object(value, at);
    if (!types.includes(String(object.type))) this.wrong(`unsupported type: ${String(object.type)}`, `${at}/type`);
    if (object.type === 'mrkdwn' && object.emoji !== undefined) this.wrong('invalid additional property: emoji', at);
    if (object.type === 'plain_text' && object.verbatim !== undefined) {
      this.wrong('invalid additional property: verbatim', at);
    }
    this.text(object.text, max, `${at}/text`);
  }

  private object(value: unknown, at: string): Json {
    return isJson(value) ? value : this.wrong('should be an object', at);
  }

  private list(value: unknown, min: number, max: number, at: string, each: (item: unknown, at: string) => void): void {
    if (!Array.isArray(value)) return this.wrong('should be an array', at);
    if (value.length < min) this.wrong(`no fewer than ${min} items required`, at);
    if (value.length > max) this.wrong(`no more than ${max} items allowed`, at);
    for (const [index, item] of value.entries()) each(item, `${at}/${index}`);
  }

  private text(value: unknown, max: number, at: string): void {
    if (typeof value !== 'string') return this.wrong('missing required field', at);
    if (value.length === 0) this.wrong('must be more than 0 characters', at);
    if (value.length > max) this.wrong(`must be less than ${max + 1} characters`, at);
  }

  private id(value: unknown, pattern: RegExp, at: string): void {
    if (typeof value !== 'string' || !pattern.test(value)) this.wrong('must match the pattern', at);
  }

  private count(value: unknown, max: number, at: string): void {
    if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > max) this.wrong('must be an integer', at);
  }
}
