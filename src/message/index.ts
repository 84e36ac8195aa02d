export * from './message.js';
export * from './plain-text.js';
