/** How far each person has read, kept in this browser: `channel id → position`. */
export class ReadMarks {
  #key;
  #marks;

  constructor(workspaceId, username) {
    this.#key = `causeway-chat:${workspaceId}:read:${username}`;
    this.#marks = read(this.#key) ?? {};
  }

  position(channelId) {
    return Number(this.#marks[channelId] ?? 0);
  }

  advance(channelId, position) {
    if (position <= this.position(channelId)) return;
    this.#marks[channelId] = position;
    write(this.#key, this.#marks);
  }
}

/** Who this browser was last. Not a login: the page's address (`?as=`) has the last word. */
export const rememberedPerson = (workspaceId) => read(`causeway-chat:${workspaceId}:person`);
export const rememberPerson = (workspaceId, username) => write(`causeway-chat:${workspaceId}:person`, username);

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') ?? undefined;
  } catch {
    return undefined; // The storage is forbidden or holds something else: begin anew.
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Forbidden or full: then it is forgotten with the tab.
  }
}
