import type { Json } from './model.js';

const SIZES = ['24', '32', '48', '72', '192', '512', '1024'];

export const customImage = (address: string): Json => ({
  image_original: address,
  is_custom_image: true,
  ...Object.fromEntries(SIZES.map((size) => [`image_${size}`, address])),
});

/** One grey pixel: what every avatar of the fake looks like. */
export const AVATAR = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);
