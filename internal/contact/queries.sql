-- name: WhoHas :one
SELECT contact_id FROM identity WHERE address = @address AND account_id = @account_id;

-- All that an address is known as to anyone because a network has told so.
-- name: KnownAs :many
SELECT c.account_id, c.told FROM identity AS i JOIN contact AS c ON c.id = i.contact_id WHERE i.address = @address;

-- name: SetIdentity :exec
INSERT INTO identity (address, account_id, contact_id) VALUES (@address, @account_id, @contact_id)
ON CONFLICT (address, account_id) DO UPDATE SET contact_id = excluded.contact_id;

-- name: DropIdentity :exec
DELETE FROM identity WHERE address = @address AND account_id = @account_id AND contact_id = @contact_id;

-- name: OneContact :one
SELECT * FROM contact WHERE id = @id;

-- name: AddContact :exec
INSERT INTO contact (id, account_id, number, addresses, name, book_name, push_name, business, email, tags, attributes, source, told,
    updated_at)
VALUES (@id, @account_id, @number, @addresses, @name, @book_name, @push_name, @business, @email, @tags, @attributes, @source, @told,
    @updated_at);

-- name: ChangeContact :exec
UPDATE contact SET addresses = @addresses, name = @name, book_name = @book_name, push_name = @push_name, business = @business,
    email = @email, tags = @tags, attributes = @attributes, told = @told, updated_at = @updated_at
WHERE id = @id;

-- name: DropContact :exec
DELETE FROM contact WHERE id = @id;

-- name: AddTerm :exec
INSERT INTO contact_term (account_id, term, contact_id) VALUES (@account_id, @term, @contact_id)
ON CONFLICT (account_id, term, contact_id) DO NOTHING;

-- name: DropTerm :exec
DELETE FROM contact_term WHERE account_id = @account_id AND term = @term AND contact_id = @contact_id;

-- name: AddTag :exec
INSERT INTO contact_tag (account_id, tag, contact_id) VALUES (@account_id, @tag, @contact_id)
ON CONFLICT (account_id, tag, contact_id) DO NOTHING;

-- name: DropTag :exec
DELETE FROM contact_tag WHERE account_id = @account_id AND tag = @tag AND contact_id = @contact_id;

-- name: AddMerged :exec
INSERT INTO contact_merged (id, account_id, number, contact_id, remains, merged_at)
VALUES (@id, @account_id, @number, @contact_id, @remains, @merged_at);

-- name: MoveMerged :exec
UPDATE contact_merged SET contact_id = @contact_id WHERE contact_id = @merged_id;

-- name: MergedInto :one
SELECT contact_id FROM contact_merged WHERE id = @id;

-- name: MergedOf :many
SELECT id, number, remains, merged_at FROM contact_merged WHERE contact_id = @contact_id ORDER BY id;

-- name: DropMergedOf :exec
DELETE FROM contact_merged WHERE contact_id = @contact_id;

-- name: TakeContactNumbers :one
INSERT INTO contact_numbering (account_id, contacts, lists) VALUES (@account_id, @many, 0)
ON CONFLICT (account_id) DO UPDATE SET contacts = contact_numbering.contacts + excluded.contacts
RETURNING contacts;

-- Lists that have both lose one member, since the two become one.
-- name: ShrinkShared :exec
UPDATE contact_list SET members = members - 1 WHERE id IN (
    SELECT m.list_id FROM list_member AS m JOIN list_member AS o ON o.list_id = m.list_id
    WHERE m.contact_id = @contact_id AND o.contact_id = @merged_id);

-- name: CopyMemberships :exec
INSERT INTO list_member (list_id, contact_id)
SELECT m.list_id, CAST(@contact_id AS bigint) FROM list_member AS m WHERE m.contact_id = @merged_id
ON CONFLICT (list_id, contact_id) DO NOTHING;

-- name: DropMemberships :exec
DELETE FROM list_member WHERE contact_id = @contact_id;

-- The lists. The keys of a page are found first, by one index alone.
-- name: ContactsOf :many
SELECT * FROM contact WHERE id IN (
    SELECT k.id FROM contact AS k WHERE k.account_id = @account_id AND k.id < @before ORDER BY k.id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- name: ContactsTagged :many
SELECT * FROM contact WHERE id IN (
    SELECT k.contact_id FROM contact_tag AS k
    WHERE k.account_id = @account_id AND k.tag = @tag AND k.contact_id < @before ORDER BY k.contact_id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- name: ContactsListed :many
SELECT * FROM contact WHERE id IN (
    SELECT k.contact_id FROM list_member AS k
    WHERE k.list_id = @list_id AND k.contact_id < @before ORDER BY k.contact_id DESC LIMIT CAST(@page AS bigint))
ORDER BY id DESC;

-- By the terms that begin with something, from a place on.
-- name: ContactsFound :many
SELECT f.term, c.* FROM (
    SELECT k.term, k.contact_id FROM contact_term AS k
    WHERE k.account_id = @account_id AND k.term >= @after_term AND k.term < @until_term AND (k.term > @after_term OR k.contact_id > @after_id)
    ORDER BY k.term, k.contact_id LIMIT CAST(@page AS bigint)) AS f
JOIN contact AS c ON c.id = f.contact_id ORDER BY f.term, f.contact_id;

-- The contact with an email of its own, who has been known for longest.
-- name: EmailOf :one
SELECT c.id FROM contact_term AS t JOIN contact AS c ON c.id = t.contact_id
WHERE t.account_id = @account_id AND t.term = @term AND c.email = @email ORDER BY t.contact_id LIMIT 1;

-- name: ShrinkListsOf :exec
UPDATE contact_list SET members = members - 1 WHERE id IN (SELECT m.list_id FROM list_member AS m WHERE m.contact_id = @contact_id);

-- name: TakeListNumber :one
INSERT INTO contact_numbering (account_id, contacts, lists) VALUES (@account_id, 0, 1)
ON CONFLICT (account_id) DO UPDATE SET lists = contact_numbering.lists + 1
RETURNING lists;

-- name: ListNamed :one
SELECT id FROM contact_list WHERE account_id = @account_id AND folded = @folded;

-- name: AddList :exec
INSERT INTO contact_list (id, account_id, number, name, folded, updated_at) VALUES (@id, @account_id, @number, @name, @folded, @updated_at);

-- name: RenameList :execrows
UPDATE contact_list SET name = @name, folded = @folded, updated_at = @updated_at WHERE id = @id AND account_id = @account_id;

-- name: DropList :execrows
DELETE FROM contact_list WHERE id = @id AND account_id = @account_id;

-- name: DropMembers :exec
DELETE FROM list_member WHERE list_id = @list_id;

-- name: OneList :one
SELECT * FROM contact_list WHERE id = @id;

-- name: ListsOf :many
SELECT * FROM contact_list WHERE account_id = @account_id AND id < @before ORDER BY id DESC LIMIT CAST(@page AS bigint);

-- name: ListsWith :many
SELECT l.* FROM list_member AS m JOIN contact_list AS l ON l.id = m.list_id WHERE m.contact_id = @contact_id ORDER BY m.list_id;

-- Only the account's own contacts become members.
-- name: AddMember :execrows
INSERT INTO list_member (list_id, contact_id)
SELECT CAST(@list_id AS bigint), c.id FROM contact AS c WHERE c.id = @contact_id AND c.account_id = @account_id
ON CONFLICT (list_id, contact_id) DO NOTHING;

-- name: DropMember :execrows
DELETE FROM list_member WHERE list_id = @list_id AND contact_id = @contact_id;

-- name: CountMembers :exec
UPDATE contact_list SET members = members + CAST(@more AS bigint), updated_at = @updated_at WHERE id = @id;

-- Whoever is in another list, too.
-- name: DropShared :execrows
DELETE FROM list_member WHERE list_member.list_id = @list_id
    AND list_member.contact_id IN (SELECT o.contact_id FROM list_member AS o WHERE o.list_id = @other_id);

-- What programs know by its number.
-- name: ContactNumbered :one
SELECT * FROM contact WHERE account_id = @account_id AND number = @number;

-- name: MergedNumbered :one
SELECT contact_id FROM contact_merged WHERE account_id = @account_id AND number = @number;

-- name: ListNumbered :one
SELECT * FROM contact_list WHERE account_id = @account_id AND number = @number;

-- name: IsMember :one
SELECT contact_id FROM list_member WHERE list_id = @list_id AND contact_id = @contact_id;

-- The members of a list, known for longest first: after one, or after so many.
-- name: MembersAfter :many
SELECT * FROM contact WHERE id IN (
    SELECT k.contact_id FROM list_member AS k
    WHERE k.list_id = @list_id AND k.contact_id > @after ORDER BY k.contact_id LIMIT CAST(@page AS bigint))
ORDER BY id;

-- name: MembersFrom :many
SELECT * FROM contact WHERE id IN (
    SELECT k.contact_id FROM list_member AS k
    WHERE k.list_id = @list_id ORDER BY k.contact_id LIMIT CAST(@page AS bigint) OFFSET CAST(@skipped AS bigint))
ORDER BY id;
