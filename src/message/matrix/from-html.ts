import { Tokenizer, type TokenizerCallbacks } from 'htmlparser2';
import type { Block } from '../message.js';
import { HtmlReader } from './html-reader.js';
import type { Mentions, NameOf } from './mentions.js';

/** Matrix: tags must not be nested more than 100 levels deep. */
const MAX_OPEN = 100;

const VOID = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '));
const INLINE = new Set(
  'a abbr b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small span strike strong sub sup time tt u var'.split(
    ' ',
  ),
);
const ATTRIBUTES = new Set('href src alt title class start data-mx-emoticon data-mx-spoiler data-mx-maths'.split(' '));

/** What an open element ends, where people leave out the end tag: up to what holds it. */
const ENDS = new Map([
  ['li', { ends: ['li'], within: ['ul', 'ol'] }],
  ['tr', { ends: ['tr'], within: ['table'] }],
  ['td', { ends: ['td', 'th'], within: ['tr', 'table'] }],
  ['th', { ends: ['td', 'th'], within: ['tr', 'table'] }],
  ['dt', { ends: ['dt', 'dd'], within: ['dl'] }],
  ['dd', { ends: ['dt', 'dd'], within: ['dl'] }],
  ['a', { ends: ['a'], within: [] as string[] }],
]);
const ENDS_A_PARAGRAPH = { ends: ['p'], within: ['li', 'td', 'th', 'blockquote', 'details', 'dd'] };

/**
 * `org.matrix.custom.html` as blocks. Never any HTML: of the tags that the specification lists the neutral message takes what it knows,
 * of the others their text. Undefined when it is nested deeper than 100 or too long for a message: then the plain `body` serves.
 * Takes linear time: the tokenizer looks at each character once, and each tag looks at no more than 100 open ones.
 */
export function fromHtml(html: string, mentions: Mentions, nameOf: NameOf): Block[] | undefined {
  const elements = new Elements(html, new HtmlReader(mentions, nameOf));
  const tokenizer = new Tokenizer({}, elements);
  elements.stop = () => tokenizer.pause();
  tokenizer.write(html);
  tokenizer.end();
  return elements.blocks();
}

interface Open {
  name: string;
  close: () => void;
}

/** Which elements are open, by the tags; tells the reader of their starts and ends. */
class Elements implements TokenizerCallbacks {
  stop: () => void = () => undefined;
  private readonly open: Open[] = [];
  private name = '';
  private attributes = new Map<string, string>();
  private attribute = '';
  private value = '';
  private tooMuch = false;

  constructor(
    private readonly html: string,
    private readonly reader: HtmlReader,
  ) {}

  blocks(): Block[] | undefined {
    this.popTo(0);
    return this.tooMuch || this.reader.full ? undefined : this.reader.end();
  }

  ontext(start: number, end: number): void {
    this.text(this.html.slice(start, end));
  }

  ontextentity(codepoint: number): void {
    this.text(String.fromCodePoint(codepoint));
  }

  onopentagname(start: number, end: number): void {
    this.name = this.html.slice(start, end).toLowerCase();
    this.attributes = new Map();
  }

  onattribname(start: number, end: number): void {
    this.attribute = this.html.slice(start, end).toLowerCase();
    this.value = '';
  }

  onattribdata(start: number, end: number): void {
    this.value += this.html.slice(start, end);
  }

  onattribentity(codepoint: number): void {
    this.value += String.fromCodePoint(codepoint);
  }

  onattribend(): void {
    if (ATTRIBUTES.has(this.attribute) && !this.attributes.has(this.attribute)) {
      this.attributes.set(this.attribute, this.value);
    }
  }

  onopentagend(): void {
    const { name } = this;
    if (VOID.has(name)) {
      this.checked(() => this.reader.empty(name, this.attributes));
      return;
    }
    const implied = ENDS.get(name) ?? (INLINE.has(name) ? undefined : ENDS_A_PARAGRAPH);
    if (implied !== undefined) this.implyEnd(implied.ends, implied.within);
    if (this.open.length >= MAX_OPEN) this.giveUp();
    this.checked(() => {
      this.open.push({ name, close: this.reader.start(name, this.attributes) });
    });
  }

  onselfclosingtag(): void {
    this.onopentagend(); // HTML does not know it
  }

  onclosetag(start: number, end: number): void {
    const name = this.html.slice(start, end).toLowerCase();
    const at = this.open.findLastIndex((each) => each.name === name);
    if (name === 'br') this.checked(() => this.reader.empty('br', new Map()));
    else if (at >= 0 && INLINE.has(name))
      this.open.splice(at, 1).forEach(({ close }) => close()); // it may overlap with others
    else if (at >= 0) this.popTo(at);
  }

  onend(): void {
    this.popTo(0);
  }

  oncdata(): void {
    // there is none in HTML
  }

  oncomment(): void {
    // says nothing to people
  }

  ondeclaration(): void {
    // says nothing to people
  }

  onprocessinginstruction(): void {
    // says nothing to people
  }

  private text(data: string): void {
    this.checked(() => this.reader.text(data));
  }

  private implyEnd(ends: readonly string[], within: readonly string[]): void {
    const at = this.open.findLastIndex(({ name }) => ends.includes(name) || within.includes(name));
    if (ends.includes(this.open[at]?.name ?? '')) this.popTo(at);
  }

  private popTo(length: number): void {
    for (let last = this.open.length - 1; last >= length; last--) this.open.pop()?.close();
  }

  private checked(read: () => void): void {
    if (this.tooMuch) return;
    read();
    if (this.reader.full) this.giveUp();
  }

  private giveUp(): void {
    this.tooMuch = true;
    this.stop();
  }
}
