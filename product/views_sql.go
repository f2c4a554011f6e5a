package product

// The statements on product_views, in PostgreSQL and in SQLite. Both take $1, as
// long as the numbers come in their order.

// scanView reads a row of getView and listViews.
func scanView[Row interface{ Scan(...any) error }](row Row) (v View, err error) {
	err = row.Scan(&v.ID, &v.Name, &v.Price.Amount, &v.Price.Currency, &v.Discontinued, &v.Version, &v.Changes)
	return v, err
}

const getView = `
SELECT id, name, amount, currency, discontinued, version, changes
FROM product_views WHERE id = $1`

const listViews = `
SELECT id, name, amount, currency, discontinued, version, changes
FROM product_views WHERE id > $1 ORDER BY id LIMIT $2`

const insertView = `
INSERT INTO product_views (id, version, name, amount, currency, discontinued, changes)
VALUES ($1, $2, $3, $4, $5, FALSE, 1)`

const setViewName = `
UPDATE product_views SET name = $1, version = $2, changes = changes + 1 WHERE id = $3`

const setViewPrice = `
UPDATE product_views SET amount = $1, currency = $2, version = $3, changes = changes + 1 WHERE id = $4`

const setViewDiscontinued = `
UPDATE product_views SET discontinued = TRUE, version = $1, changes = changes + 1 WHERE id = $2`

const clearViews = `DELETE FROM product_views`
